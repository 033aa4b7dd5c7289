/// What is known of a metric by its name: the text that Prometheus shows, and a histogram's bounds. docs/operators/monitoring.md lists
/// the same names, and a test compares.
enum MetricFamily {
    enum Kind: String { case counter, gauge, histogram }

    /// Upper bounds of histograms that are not named below, in seconds.
    private static let usual: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    /// One minute to thirty days: what a city takes for its first word.
    private static let human: [Double] = [
        60, 300, 900, 3_600, 14_400, 43_200, 86_400, 172_800, 345_600, 604_800, 1_209_600, 2_592_000,
    ]

    static func bounds(of name: String) -> [Double] { name == "o311_crm_ack_delay_seconds" ? human : usual }

    static let help = [
        "o311_http_requests_total": "HTTP requests answered.",
        "o311_http_request_duration_seconds": "Time from a request's head to its answer.",
        "o311_requests_created_total": "Service requests stored.",
        "o311_status_updates_total": "Lifecycle updates received.",
        "o311_inbox_duplicates_total": "Lifecycle updates that had come before and changed nothing.",
        "o311_crm_ack_delay_seconds": "Time from a request's POST to the CRM's first word on it.",
        "o311_outbox_pending": "Events that wait for the broker.",
        "o311_outbox_oldest_age_seconds": "Age of the oldest event that waits.",
        "o311_outbox_parked": "Events that wait for a person.",
        "o311_relay_published_total": "Events that the broker confirmed.",
        "o311_relay_failures_total": "Events or connections that failed on the way to the broker.",
        "o311_relay_redelivered_total": "Events that were published again, because nobody knows whether the broker had them.",
        "o311_relay_leader": "Whether this process leads the shard.",
        "o311_relay_live_relays": "Relays that live, this one among them.",
        "o311_relay_confirm_duration_seconds": "Time from publishing an event to the broker's confirm.",
        "o311_relay_connection_state": "The shard's connection to the broker: 0 none, 1 open, 2 blocked by the broker.",
        "o311_relay_blocked_seconds_total": "Time for which the broker had blocked publishing.",
        "o311_dependency_up": "Whether what a service needs was there when last asked.",
        "o311_queue_consumers": "Consumers of a tenant's request queue.",
        "o311_queue_messages": "Messages in a tenant's request queue, in consumers' hands included.",
        "o311_queue_ready": "Messages in a tenant's request queue that no consumer has.",
        "o311_queue_unacked": "Messages of a tenant's request queue in consumers' hands.",
        "o311_queue_oldest_age_seconds": "How long the oldest message has been in a tenant's request queue, at least.",
        "o311_queue_incidents_total": "Messages that left a queue and nobody took them: occasions, not messages.",
        "o311_dead_letters": "Messages in a tenant's dead queue.",
        "o311_config_drift": "Differences between a tenant's objects on the broker and what provisioning makes.",
        "o311_credentials_connected": "Credentials of CRMs that are connected now.",
        "o311_media_bytes_total": "Bytes of photos stored.",
        "o311_media_rejected_total": "Photos refused.",
        "o311_media_links_total": "Links to photos that were followed.",
        "o311_alerts_firing": "Alerts that fire now.",
        "o311_alert_notices_total": "Notices of alerts: fired, repeated, recovered.",
        "o311_alert_deliveries_total": "Mails and webhook calls that tell of alerts.",
        "o311_notices_total": "Notices to citizens: sent, refused, given up.",
        "o311_notices_waiting": "Notices to citizens that wait.",
        "o311_notices_oldest_age_seconds": "Age of the oldest notice that waits.",
        "o311_reference_changes_total": "Reference documents that came.",
        "o311_reference_pulls_total": "Reference documents that were fetched.",
        "o311_reference_due_total": "Reference documents that went live at their moment.",
        "o311_retention_last_run_timestamp_seconds": "When retention last ran, since 1970.",
        "o311_retention_rows_total": "Rows that retention took away or made nobody's.",
        "o311_audit_written_total": "Calls written to the audit.",
        "o311_audit_waiting": "Rows of the audit that wait to be written.",
        "o311_audit_lost_total": "Rows of the audit that were given up.",
        "o311_audit_slowed_total": "Times that a caller waited because the audit's buffer was full.",
        "o311_audit_write_duration_seconds": "Time that writing a group of rows took.",
        "o311_audit_sealed_timestamp_seconds": "When the watch last found every day that is over sealed, since 1970.",
        "o311_erasures_awaited": "Erasures that the CRM has not answered.",
        "o311_erasures_oldest_age_seconds": "Age of the oldest erasure that the CRM has not answered.",
        "o311_statistics_counted_timestamp_seconds": "Up to when the statistics of use are counted, since 1970.",
        "o311_backup_last_timestamp_seconds": "When the last backup ended, since 1970.",
        "o311_backup_log_waiting_bytes": "Bytes of PostgreSQL's log that an archive or a standby has not fetched.",
        "o311_build_info": "The version that runs.",
    ]
}
