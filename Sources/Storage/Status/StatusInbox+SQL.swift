import Postgres

enum StatusInboxSQL {
    static let all = [known, keep, send, forget]

    static let known = Statement(
        "inbox_known",
        """
        select message_id, content, receipt_id, receipt_type, receipt from status_inbox
        where tenant_id = $1::integer and message_id = any($2::text[])
        """)

    /// In one order, so that two processes never wait for each other.
    static let keep = Statement(
        "inbox_keep",
        """
        insert into status_inbox (tenant_id, message_id, content, receipt_id, receipt_type, receipt)
        select $1::integer, message_id, content, receipt_id, receipt_type, receipt
        from unnest($2::text[], $3::bytea[], $4::uuid[], $5::text[], $6::bytea[])
            as given (message_id, content, receipt_id, receipt_type, receipt)
        order by message_id, content
        on conflict (tenant_id, message_id, content) do update
        set received_at = now(), receipt_id = excluded.receipt_id, receipt_type = excluded.receipt_type, receipt = excluded.receipt
        """)

    static let send = Statement(
        "inbox_send", "select bus311_send_receipts($1::smallint, $2::uuid[], $3::text[], $4::text[], $5::bytea[])")

    static let forget = Statement("inbox_forget", "select bus311_forget_inbox()")
}
