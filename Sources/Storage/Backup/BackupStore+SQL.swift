import Postgres

enum BackupSQL {
    static let all = [record, last, restored, lastRestore, unknown, pending, superuser, state]

    static let record = Statement(
        "backup_record",
        """
        insert into backups (name, started_at, finished_at, bytes, wal_end) values ($1, $2::timestamptz, $3::timestamptz, $4, $5::text::pg_lsn)
        """)

    static let last = Statement("backup_last", "select finished_at from backups order by number desc limit 1")

    static let restored = Statement(
        "backup_restored",
        """
        select r.epoch, r.first_number, pg_last_xact_replay_timestamp()
        from bus311_restored($1, pg_current_wal_lsn(), pg_last_xact_replay_timestamp()) r
        """)

    static let waitForNobody = "alter system reset synchronous_standby_names"

    static let lastRestore = Statement(
        "backup_last_restore", "select at, backup, last_commit_at from restores order by number desc limit 1")

    static let unknown = Statement("backup_unknown", "select id from bus311_unknown_requests($1::bigint[]) u (id)")

    static let pending = Statement("backup_pending", "select count(*) from outbox where state = 'pending'")

    /// The bootstrap superuser has this number in every cluster.
    static let superuser = Statement("backup_superuser", "select rolname::text from pg_roles where oid = 10")

    static let state = Statement(
        "backup_state",
        """
        select (select finished_at from backups order by number desc limit 1),
               (select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)), 0)::bigint from pg_replication_slots)
        """)
}
