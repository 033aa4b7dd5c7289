import Postgres

enum StatusInboxSQL {
    static let all = [known, keep, send, forget]

    static let known = Statement(
        "inbox_known",
        """
        select message_id, content, receipt_id, receipt_type, receipt from status_inbox
        where tenant_id = $1::integer and message_id = any($2::text[])
        """)

    static let keep = Statement(
        "inbox_keep",
        """
        insert into status_inbox (tenant_id, message_id, content, receipt_id, receipt_type, receipt)
        values ($1::integer, $2::text, $3::bytea, $4::uuid, $5::text, $6::bytea)
        """)

    static let send = Statement(
        "inbox_send", "select bus311_send_receipt($1::uuid, $2::smallint, $3::text, $4::text, $5::bytea)")

    static let forget = Statement("inbox_forget", "select bus311_forget_inbox()")
}
