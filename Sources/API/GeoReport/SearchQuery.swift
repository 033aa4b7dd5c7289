import Open311

/// Reads the arguments of GET requests (GeoReport v2; window rules of the reference, 8.2).
enum SearchQuery {
    static func filter(_ query: FormFields, now: Timestamp) throws(Faults) -> ServiceRequestFilter {
        var faults: [Fault] = []
        let start = moment("start_date", query, &faults)
        let end = moment("end_date", query, &faults)
        let statuses = statuses(query, &faults)
        let window = window(start, end, now: now, &faults)
        if let first = faults.first { throw Faults(first: first, others: Array(faults.dropFirst())) }
        let ids = list("service_request_id", query)
        let codes = list("service_code", query)
        return ServiceRequestFilter(
            // Unknown ids are left out; a list of only unknown ids still overrides everything else.
            ids: ids.isEmpty ? nil : ids.prefix(ServiceRequestFilter.maximumCount).compactMap { ServiceRequestID(parsing: $0) },
            serviceCodes: codes.isEmpty ? nil : codes.compactMap { try? ServiceCode(validating: $0) },
            requestedFrom: window.from,
            requestedTo: window.to,
            statuses: statuses
        )
    }

    /// Comma lists and repetitions mean the same; spaces and empty members are nothing.
    private static func list(_ name: String, _ query: FormFields) -> [String] {
        query.values(name).flatMap { $0.split(separator: ",") }.map { CleanText.singleSpaced(String($0)) }.filter { !$0.isEmpty }
    }

    private static func moment(_ name: String, _ query: FormFields, _ faults: inout [Fault]) -> Timestamp? {
        guard let text = query[name] else { return nil }
        let moment = Timestamp(parsing: text)
        if moment == nil { faults.append(Fault(field: name, problem: .notADate)) }
        return moment
    }

    private static func statuses(_ query: FormFields, _ faults: inout [Fault]) -> Set<PublicStatus> {
        let words = list("status", query)
        if words.isEmpty { return Set(PublicStatus.allCases) }
        for word in words where PublicStatus(rawValue: word) == nil {
            faults.append(
                Fault(field: "status", problem: .unknownValue(value: String(word.prefix(64)), allowed: PublicStatus.allCases.map(\.rawValue))))
        }
        return Set(words.compactMap { PublicStatus(rawValue: $0) })
    }

    private static func window(
        _ start: Timestamp?, _ end: Timestamp?, now: Timestamp, _ faults: inout [Fault]
    ) -> (from: Timestamp, to: Timestamp) {
        let days = ServiceRequestFilter.windowDays
        switch (start, end) {
        case (nil, nil): return (now.adding(days: -days), now)
        case (let start?, nil): return (start, min(start.adding(days: days), max(now, start)))
        case (nil, let end?): return (end.adding(days: -days), end)
        case (let start?, let end?):
            if start > end { faults.append(Fault(field: "start_date", problem: .windowReversed)) }
            if end > start.adding(days: days) { faults.append(Fault(field: "end_date", problem: .windowTooLong(days: days))) }
            return (start, end)
        }
    }
}
