// A CRM's consumer with amqp091-go: copy it, and put your own database in place of SQLite.
//
// Settings, all from the environment:
//
//	AMQP_URI         amqps://user:password@host:5671/open311, as the city's operator gave it
//	QUEUE            o311.<tenant>.requests
//	STATUS_EXCHANGE  o311.<tenant>.status
//	STATE            folder of crm.sqlite3
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "github.com/mattn/go-sqlite3"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Only what this CRM needs; encoding/json ignores every other member, those of tomorrow included.
type event struct {
	ID   string `json:"id"`
	Data struct {
		Number   string `json:"service_request_id"`
		Sequence int64  `json:"sequence"`
	} `json:"data"`
}

// The CRM's database. One transaction holds all that one message changes.
type store struct{ *sql.DB }

func openStore(path string) (store, error) {
	database, err := sql.Open("sqlite3", "file:"+path+"?_busy_timeout=30000&_txlock=immediate&_secure_delete=true")
	if err != nil {
		return store{}, err
	}
	database.SetMaxOpenConns(1)
	_, err = database.Exec(`
		create table if not exists events (id text primary key, received_at text not null default current_timestamp);
		create table if not exists requests (id text primary key, sequence integer not null, changes integer not null, snapshot text);
		create table if not exists outbox (update_id text primary key, request_id text not null);`)
	return store{database}, err
}

// apply stores an event once, whatever comes twice or late; a nil snapshot erases. When it returns nil, the event is on disk.
func (s store) apply(e event, snapshot any) error {
	tx, err := s.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	result, err := tx.Exec("insert or ignore into events (id) values (?)", e.ID)
	if err != nil {
		return err
	}
	if fresh, err := result.RowsAffected(); err != nil || fresh == 0 {
		return err // a duplicate
	}
	var known int64
	switch err = tx.QueryRow("select sequence from requests where id = ?", e.Data.Number).Scan(&known); {
	case errors.Is(err, sql.ErrNoRows):
		// Your CRM opens a file here. The answer to the citizen is part of the same transaction.
		if _, err = tx.Exec("insert into requests values (?, ?, 1, ?)", e.Data.Number, e.Data.Sequence, snapshot); err == nil && snapshot != nil {
			_, err = tx.Exec("insert into outbox values (?, ?)", e.ID, e.Data.Number)
		}
	case err == nil && e.Data.Sequence > known:
		_, err = tx.Exec("update requests set sequence = ?, changes = changes + 1, snapshot = ? where id = ?",
			e.Data.Sequence, snapshot, e.Data.Number)
	} // else it is older than what is stored: acknowledged and forgotten
	if err != nil {
		return err
	}
	return tx.Commit()
}

// handle stores a message and acknowledges it, ignores it, or rejects it for good. An error means: the database is away.
func handle(s store, d amqp.Delivery) error {
	var e event
	var err error
	switch d.Type {
	case "service_request.created.v1", "service_request.updated.v1", "service_request.moderated.v1", "service_request.erased.v1":
		if d.ContentEncoding != "" {
			err = fmt.Errorf("content encoding %q", d.ContentEncoding)
		} else if err = json.Unmarshal(d.Body, &e); err == nil && (e.ID == "" || e.Data.Number == "" || e.Data.Sequence < 1) {
			err = errors.New("id, service_request_id or sequence is missing")
		}
		if err != nil {
			// It can never work: into the dead letters, where the operator sees it. Never requeue such a message.
			log.Printf("rejected %s: %v", d.MessageId, err)
			return d.Reject(false)
		}
		var snapshot any // null when erased
		if !strings.HasPrefix(d.Type, "service_request.erased") {
			snapshot = string(d.Body)
		}
		if err = s.apply(e, snapshot); err != nil {
			return err
		}
	} // any other type is acknowledged and ignored: that is how the contract can grow
	return d.Ack(false)
}

// outgoing is the channel for statuses, in confirm mode.
type outgoing struct {
	channel  *amqp.Channel
	exchange string
	confirms <-chan amqp.Confirmation
	returns  <-chan amqp.Return
}

// sendStatuses empties the outbox. The update's id makes a repetition harmless: a status leaves the outbox after its confirm only.
//
// Confirms come by NotifyPublish: before amqp091-go 1.6 a deferred confirmation is registered after its message is sent, and waits
// for ever when the broker is quicker than that.
func sendStatuses(s store, out outgoing) error {
	rows, err := s.Query("select update_id, request_id from outbox order by rowid")
	if err != nil {
		return err
	}
	var pending [][2]string
	for rows.Next() {
		var row [2]string
		if err = rows.Scan(&row[0], &row[1]); err != nil {
			break
		}
		pending = append(pending, row)
	}
	if rows.Close(); err != nil {
		return err
	}
	tenant := strings.TrimSuffix(strings.TrimPrefix(out.exchange, "o311."), ".status")
	for _, row := range pending {
		body, _ := json.Marshal(map[string]any{
			"service_request_id": row[1], "status": "IN_PROCESS", "status_notes": "Pris en charge", "external_reference": "CRM-" + row[1],
			"ack": true})
		err := out.channel.PublishWithContext(context.Background(), out.exchange, tenant+".status_update.v1", true, false,
			amqp.Publishing{MessageId: row[0], ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: body})
		if err != nil {
			return err
		}
		select {
		case confirm := <-out.confirms: // a closed channel gives the zero value, which is a refusal
			if !confirm.Ack {
				return errors.New("the broker did not take the status")
			}
		case <-time.After(30 * time.Second):
			return errors.New("no confirm within 30 s")
		}
		select {
		case r := <-out.returns: // comes before the confirm
			return fmt.Errorf("the status could not be routed: %s", r.ReplyText)
		default:
		}
		if _, err = s.Exec("delete from outbox where update_id = ?", row[0]); err != nil {
			return err
		}
	}
	return nil
}

// consume works until the connection is lost (an error) or a stop is asked for (nil).
func consume(ctx context.Context, s store, connected func()) error {
	properties := amqp.Table{"connection_name": "example CRM, go"}
	connection, err := amqp.DialConfig(os.Getenv("AMQP_URI"), amqp.Config{Heartbeat: 15 * time.Second, Locale: "en_US", Properties: properties})
	if err != nil {
		return err
	}
	defer connection.Close()
	incoming, err := connection.Channel()
	if err != nil {
		return err
	}
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	if err = channel.Confirm(false); err != nil {
		return err
	}
	out := outgoing{
		channel:  channel,
		exchange: os.Getenv("STATUS_EXCHANGE"),
		confirms: channel.NotifyPublish(make(chan amqp.Confirmation, 1)),
		returns:  channel.NotifyReturn(make(chan amqp.Return, 1)),
	}
	if err = incoming.Qos(20, 0, false); err != nil {
		return err
	}
	if err = sendStatuses(s, out); err != nil {
		return err
	}
	// Nothing is declared: the queue is the operator's.
	deliveries, err := incoming.Consume(os.Getenv("QUEUE"), "crm", false, false, false, false, nil)
	if err != nil {
		return err
	}
	connected()
	for {
		select {
		case <-ctx.Done():
			// What was delivered and not handled goes back to the queue when the connection closes.
			return incoming.Cancel("crm", false)
		case d, open := <-deliveries: // closed when the connection, the channel or the consumer is gone
			if !open {
				return errors.New("the broker ended the consumer")
			}
			if err = handle(s, d); err != nil {
				return err
			}
			if err = sendStatuses(s, out); err != nil {
				return err
			}
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	rand.Seed(time.Now().UnixNano())
	s, err := openStore(filepath.Join(os.Getenv("STATE"), "crm.sqlite3"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	longest := 2 * time.Second
	for ctx.Err() == nil {
		err := consume(ctx, s, func() { longest = 2 * time.Second })
		if err == nil || ctx.Err() != nil {
			return
		}
		// Growing and random: a thousand consumers must not all knock in the second in which the broker is back.
		pause := time.Second + time.Duration(rand.Int63n(int64(longest-time.Second)))
		var refused *amqp.Error
		if errors.As(err, &refused) && refused.Code == amqp.AccessRefused {
			pause = 5 * time.Minute // somebody has to change something
		}
		log.Printf("connection lost (%v); again in %s", err, pause.Round(100*time.Millisecond))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		if longest *= 2; longest > time.Minute {
			longest = time.Minute
		}
	}
}
