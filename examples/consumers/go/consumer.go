// A CRM's consumer with amqp091-go: copy it, and put your own database in place of SQLite.
//
// Settings, all from the environment:
//
//	AMQP_URI         amqps://user:password@host:5671/open311, as the city's operator gave it
//	QUEUE            o311.<tenant>.requests
//	STATUS_EXCHANGE  o311.<tenant>.status
//	STATE            folder of crm.sqlite3
//	AMQP_CA_FILE     the authority of the bus's certificate (PEM), where those of this machine do not know it; may be left out
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Only what this CRM needs; encoding/json ignores every other member, those of tomorrow included.
type event struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Data   struct {
		Number   string `json:"service_request_id"`
		Sequence int64  `json:"sequence"`
	} `json:"data"`
}

var restored = regexp.MustCompile("-e([1-9][0-9]{0,8})$")

// epoch grows when the bus was restored: numbers are given out again then, under a source that ends with it, and its events are newer.
func (e event) epoch() int64 {
	if found := restored.FindStringSubmatch(e.Source); found != nil {
		epoch, _ := strconv.ParseInt(found[1], 10, 64)
		return epoch
	}
	return 1
}

// The CRM's database. One transaction holds all that one message changes.
type store struct{ *sql.DB }

func openStore(path string) (store, error) {
	database, err := sql.Open("sqlite3", "file:"+path+"?_busy_timeout=2000&_txlock=immediate&_secure_delete=true")
	if err != nil {
		return store{}, err
	}
	database.SetMaxOpenConns(1)
	_, err = database.Exec(`
		create table if not exists events (id text primary key, received_at text not null default current_timestamp);
		create table if not exists requests (
			id text primary key, epoch integer not null, sequence integer not null, changes integer not null, snapshot text);
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
	var epoch, sequence int64
	switch err = tx.QueryRow("select epoch, sequence from requests where id = ?", e.Data.Number).Scan(&epoch, &sequence); {
	case errors.Is(err, sql.ErrNoRows):
		// Your CRM opens a file here. The answer to the citizen is part of the same transaction.
		if _, err = tx.Exec("insert into requests values (?, ?, ?, 1, ?)", e.Data.Number, e.epoch(), e.Data.Sequence, snapshot); err == nil && snapshot != nil {
			_, err = tx.Exec("insert into outbox values (?, ?)", e.ID, e.Data.Number)
		}
	case err == nil && (e.epoch() > epoch || e.epoch() == epoch && e.Data.Sequence > sequence):
		_, err = tx.Exec("update requests set epoch = ?, sequence = ?, changes = changes + 1, snapshot = ? where id = ?",
			e.epoch(), e.Data.Sequence, snapshot, e.Data.Number)
	} // else it is older than what is stored: acknowledged and forgotten
	if err != nil {
		return err
	}
	return tx.Commit()
}

// isFaultOfMessage: SQLite's answers that speak of the message. All others say that the database is away: locked, disk full.
func isFaultOfMessage(err error) bool {
	var failure sqlite3.Error
	return errors.As(err, &failure) && (failure.Code == sqlite3.ErrTooBig || failure.Code == sqlite3.ErrConstraint ||
		failure.Code == sqlite3.ErrMismatch || failure.Code == sqlite3.ErrRange)
}

// handle stores a message and acknowledges it, ignores it, or rejects it for good.
func handle(ctx context.Context, s store, d amqp.Delivery) error {
	var e event
	var err error
	switch d.Type {
	case "service_request.created.v1", "service_request.updated.v1", "service_request.moderated.v1", "service_request.erased.v1":
		if d.ContentEncoding != "" {
			err = fmt.Errorf("content encoding %q", d.ContentEncoding)
		} else if err = json.Unmarshal(d.Body, &e); err == nil && (e.ID == "" || e.Source == "" || e.Data.Number == "" || e.Data.Sequence < 1) {
			err = errors.New("id, source, service_request_id or sequence is missing")
		}
		var snapshot any // null when erased
		if !strings.HasPrefix(d.Type, "service_request.erased") {
			snapshot = string(d.Body)
		}
		for err == nil {
			failure := s.apply(e, snapshot)
			if failure == nil {
				break
			}
			if isFaultOfMessage(failure) {
				err = failure
				break
			}
			// Not the message's fault: wait with it in hand; the library sends the heartbeats meanwhile.
			log.Printf("the database is away, waiting: %v", failure)
			select {
			case <-ctx.Done():
				return nil // not stored, not acknowledged: it goes back to the queue
			case <-time.After(time.Second):
			}
		}
		if err != nil {
			// It can never work: into the dead letters, where the operator sees it. Never requeue such a message.
			log.Printf("rejected %s: %v", d.MessageId, err)
			return d.Reject(false)
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

// later: statuses stay in the outbox while the database is away; the connection is kept.
func later(err error) error {
	log.Printf("the database is away, statuses later: %v", err)
	return nil
}

// sendStatuses empties the outbox. The update's id makes a repetition harmless: a status leaves the outbox after its confirm only.
//
// Confirms come by NotifyPublish: before amqp091-go 1.6 a deferred confirmation is registered after its message is sent, and waits
// for ever when the broker is quicker than that.
func sendStatuses(s store, out outgoing) error {
	rows, err := s.Query("select update_id, request_id from outbox order by rowid")
	if err != nil {
		return later(err)
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
		return later(err)
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
			return later(err)
		}
	}
	return nil
}

// consume works until the connection is lost (an error) or a stop is asked for (nil).
func consume(ctx context.Context, s store, connected func()) error {
	config := amqp.Config{
		Heartbeat: 15 * time.Second, Locale: "en_US", Properties: amqp.Table{"connection_name": "example CRM, go"},
		TLSClientConfig: &tls.Config{}, // of amqps:// the certificate and the name are verified
	}
	if file := os.Getenv("AMQP_CA_FILE"); file != "" {
		authorities, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		config.TLSClientConfig.RootCAs = x509.NewCertPool()
		config.TLSClientConfig.RootCAs.AppendCertsFromPEM(authorities)
	}
	connection, err := amqp.DialConfig(os.Getenv("AMQP_URI"), config)
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
			if err = handle(ctx, s, d); err != nil {
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
