import Postgres

enum UsageSQL {
    static let all = [step, cursor, sums, durations, days, profile, profileOfHours, services, keys, lines]

    /// $1 not later than now, or null for now; $2 the longest part in seconds.
    static let step = Statement(
        "usage_step",
        """
        select counted_to, settled_to, written, is_done
        from bus311_usage_step($1::timestamptz, make_interval(secs => $2::double precision))
        """)

    static let cursor = Statement("usage_cursor", "select counted_to from usage_cursor")

    /// $1 tenant, $2 hour or month, $3 from, $4 to. Which dimension a row is of: 15 the total, 7 service, 11 channel, 13 key, 14 detail.
    static let sums = Statement(
        "usage_sums",
        """
        select measure, grouping(service_code, channel, access_key, detail),
               coalesce(service_code, channel, access_key, detail, ''), sum(n)::bigint
        from usage_counts
        where tenant_id = $1::integer and grain = $2::text and starts_at >= $3::timestamptz and starts_at < $4::timestamptz
          and measure not in ('delivery', 'acknowledgement', 'first_status', 'closing')
        group by grouping sets ((measure), (measure, service_code), (measure, channel), (measure, access_key), (measure, detail))
        """)

    /// Buckets by service, of those durations that have one: most of the rows, read once.
    static let durations = Statement(
        "usage_durations",
        """
        select measure, service_code, detail, sum(n)::bigint
        from usage_counts
        where tenant_id = $1::integer and grain = $2::text and starts_at >= $3::timestamptz and starts_at < $4::timestamptz
          and measure in ('delivery', 'acknowledgement', 'first_status', 'closing')
        group by measure, service_code, detail
        """)

    /// $4 the time zone.
    static let days = Statement(
        "usage_days",
        """
        select to_char(starts_at at time zone $4::text, 'YYYY-MM-DD'), measure, sum(n)::bigint
        from usage_counts
        where tenant_id = $1::integer and grain = 'day' and starts_at >= $2::timestamptz and starts_at < $3::timestamptz
          and measure in ('requests', 'with_photo', 'identified', 'closing', 'updates', 'refusals', 'duplicates', 'photo_bytes',
                          'crm_consuming', 'watched')
        group by 1, 2
        """)

    /// Of whole months.
    static let profile = Statement(
        "usage_profile",
        """
        select detail::integer, sum(n)::bigint
        from usage_counts
        where tenant_id = $1::integer and grain = 'profile' and starts_at >= $2::timestamptz and starts_at < $3::timestamptz
        group by detail
        """)

    /// Of any days; $4 the time zone.
    static let profileOfHours = Statement(
        "usage_profile_hours",
        """
        select (extract(isodow from starts_at at time zone $4::text)::integer - 1) * 24
               + extract(hour from starts_at at time zone $4::text)::integer, sum(n)::bigint
        from usage_counts
        where tenant_id = $1::integer and grain = 'hour' and starts_at >= $2::timestamptz and starts_at < $3::timestamptz
          and measure = 'requests'
        group by 1
        """)

    /// $2 the wanted language.
    static let services = Statement(
        "usage_services",
        """
        select code, coalesce(names ->> $2::text, names ->> 'fr', names ->> 'en', (select value from jsonb_each_text(names) limit 1), code)
        from services where tenant_id = $1::integer
        """)

    static let keys = Statement("usage_keys", "select public_id, label from access_keys where tenant_id = $1::integer")

    /// $5 the time zone, $6 how the beginning is written. Buckets of one duration stand together.
    static let lines = Statement(
        "usage_lines",
        """
        select to_char(starts_at at time zone $5::text, $6::text), measure, service_code, channel, access_key, detail, sum(n)::bigint
        from usage_counts
        where tenant_id = $1::integer and grain = $2::text and starts_at >= $3::timestamptz and starts_at < $4::timestamptz
        group by 1, 2, 3, 4, 5, 6 having sum(n) <> 0
        order by 1, 2, 3, 4, 5, 6
        """)
}
