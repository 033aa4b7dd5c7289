#if canImport(Glibc)
    import Glibc
#endif

/// The page's charts, each an SVG of our own.
struct UsageCharts {
    let words: UsageWords

    /// Pairs of columns, this period's and that of a year before.
    func columns(_ values: [(label: String, title: String, now: Int64, before: Int64)], label: String) -> String {
        var drawing = SVGDrawing(width: 720, height: 268)
        let (left, right, top, bottom) = (48.0, 8.0, 28.0, 26.0)
        let largest = max(1, values.flatMap { [$0.now, $0.before] }.max() ?? 1)
        let step = SVGDrawing.step(for: largest)
        let ceiling = (largest + step - 1) / step * step
        let (width, height) = (drawing.width - left - right, drawing.height - top - bottom)
        func y(_ value: Int64) -> Double { top + height * (1 - Double(value) / Double(ceiling)) }
        legend(&drawing, [("b1", words("cette période", "this period")), ("b0", words("un an avant", "a year before"))])
        for tick in stride(from: 0, through: ceiling, by: Int(step)) {
            drawing.line(left, y(tick), drawing.width - right, y(tick), tick == 0 ? "ax" : "gr")
            drawing.text(words.number(tick), left - 6, y(tick) + 4, "end")
        }
        let slot = width / Double(max(1, values.count))
        let bar = min(26, slot * 0.36)
        let every = max(1, Int((46 / slot).rounded(.up)))
        for (index, value) in values.enumerated() {
            let middle = left + slot * (Double(index) + 0.5)
            if value.before > 0 {
                drawing.bar(
                    middle - bar - 1, y(value.before), bar, top + height - y(value.before), "b0",
                    title: "\(value.title)\u{202F}: \(words.number(value.before)) (\(words("un an avant", "a year before")))")
            }
            if value.now > 0 {
                drawing.bar(
                    middle + 1, y(value.now), bar, top + height - y(value.now), "b1",
                    title: "\(value.title)\u{202F}: \(words.number(value.now))")
            }
            if index % every == 0 { drawing.text(value.label, middle, drawing.height - 8, "middle") }
        }
        return drawing.svg(label: label)
    }

    /// Squares with their meaning, at the right above.
    private func legend(_ drawing: inout SVGDrawing, _ entries: [(style: String, text: String)]) {
        var x = drawing.width
        for entry in entries.reversed() {
            drawing.text(entry.text, x, 11, "end")
            // About the width of a letter at this size.
            x -= Double(entry.text.count) * 6.2 + 16
            drawing.bar(x, 2, 10, 10, entry.style)
            x -= 14
        }
    }

    /// Bars with a mark where they were a year before.
    func bars(_ values: [(name: String, now: Int64, before: Int64?, note: String)], label: String) -> String {
        let row = 37.0
        var drawing = SVGDrawing(width: 520, height: row * Double(max(1, values.count)) + 4)
        let largest = Double(max(1, values.flatMap { [$0.now, $0.before ?? 0] }.max() ?? 1))
        let width = drawing.width - 84
        for (index, value) in values.enumerated() {
            let y = Double(index) * row
            drawing.text(clipped(value.name), 0, y + 13, style: "t n")
            drawing.bar(0, y + 19, width, 9, "tr", radius: 4)
            let title =
                "\(value.name)\u{202F}: \(words.number(value.now))"
                + (value.before.map { " (\(words("un an avant", "a year before"))\u{202F}: \(words.number($0)))" } ?? "")
            drawing.bar(0, y + 19, max(value.now > 0 ? 2 : 0, width * Double(value.now) / largest), 9, "b1", title: title, radius: 4)
            if let before = value.before, before > 0 { drawing.bar(width * Double(before) / largest - 1.5, y + 17, 3, 13, "mk", radius: 1) }
            drawing.text(words.number(value.now), drawing.width, y + 28, "end", style: "t v")
            if !value.note.isEmpty { drawing.text(value.note, width, y + 13, "end", style: "t") }
        }
        return drawing.svg(label: label)
    }

    private func clipped(_ name: String) -> String { name.count > 46 ? name.prefix(45) + "…" : name }

    /// A square a day, a column a week.
    func calendar(_ period: UsagePeriod, _ count: (CivilDay) -> Int64, label: String) -> String {
        let start = period.from.adding(1 - period.from.weekday)
        let weeks = (period.to.number - start.number + 6) / 7
        let (left, top, cell) = (34.0, 18.0, 13.0)
        var drawing = SVGDrawing(width: left + Double(weeks) * cell + 2, height: top + 7 * cell + 2)
        let level = levels((period.from.number..<period.to.number).map { count(CivilDay(number: $0)) })
        for weekday in [0, 2, 4] {
            drawing.text(String(words.weekdays[weekday].prefix(3)), left - 6, top + Double(weekday) * cell + 10, "end")
        }
        for number in period.from.number..<period.to.number {
            let day = CivilDay(number: number)
            let week = (number - start.number) / 7
            let (x, y) = (left + Double(week) * cell, top + Double(day.weekday - 1) * cell)
            drawing.bar(
                x, y, cell - 2, cell - 2, "h\(level(count(day)))", title: "\(words.day(day))\u{202F}: \(words.number(count(day)))",
                radius: 2.5)
            if day.civil.day == 1 && week < weeks - 1 { drawing.text(words.shortMonth(day), x, top - 6) }
        }
        return drawing.svg(label: label)
    }

    /// A square an hour of the week.
    func week(_ profile: [Int64], label: String) -> String {
        let (left, top, cell, row) = (70.0, 18.0, 18.5, 18.0)
        var drawing = SVGDrawing(width: left + 24 * cell, height: top + 7 * row + 2)
        let level = levels(profile)
        for hour in stride(from: 0, to: 24, by: 3) {
            drawing.text("\(hour)\u{202F}h", left + Double(hour) * cell + cell / 2, top - 6, "middle")
        }
        for weekday in 0..<7 {
            drawing.text(words.weekdays[weekday], left - 8, top + Double(weekday) * row + 13, "end")
            for hour in 0..<24 {
                let count = profile[weekday * 24 + hour]
                drawing.bar(
                    left + Double(hour) * cell, top + Double(weekday) * row, cell - 2, row - 2, "h\(level(count))",
                    title: "\(words.weekdays[weekday]) \(hour)\u{202F}h\u{202F}: \(words.number(count))", radius: 2.5)
            }
        }
        return drawing.svg(label: label)
    }

    /// Five shades: none, then quarters of the values there are, so that one storm does not make all other days pale.
    private func levels(_ counts: [Int64]) -> (Int64) -> Int {
        let sorted = counts.filter { $0 > 0 }.sorted()
        guard let last = sorted.last else { return { _ in 0 } }
        let bounds = [0.25, 0.5, 0.75].map { sorted[min(sorted.count - 1, Int(Double(sorted.count) * $0))] }
        if bounds[0] == last { return { $0 > 0 ? 3 : 0 } }
        return { count in count <= 0 ? 0 : 1 + bounds.count { count > $0 } }
    }

    /// Half, nine of ten and ninety-nine of a hundred on a scale from a millisecond to three months, each step ten times the last.
    func delays(_ values: [(name: String, histogram: DurationHistogram, before: DurationHistogram)], label: String) -> String {
        let row = 46.0
        let head = 20.0
        var drawing = SVGDrawing(width: 720, height: row * Double(max(1, values.count)) + 26 + head)
        let (left, right) = (8.0, 8.0)
        let ticks: [(seconds: Double, text: String)] = [
            (0.001, "1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3_600, "1 h"),
            (21_600, "6 h"), (86_400, words("1 j", "1 d")), (604_800, words("7 j", "7 d")), (2_592_000, words("30 j", "30 d")),
            (7_776_000, words("90 j", "90 d")),
        ]
        let (shortest, longest): (Double, Double) = (0.001, 7_776_000)
        let width = drawing.width - left - right
        let decades: Double = log(longest / shortest)
        func x(_ seconds: Double) -> Double {
            let place: Double = log(min(longest, max(shortest, seconds)) / shortest)
            return left + width * place / decades
        }
        legend(
            &drawing,
            [
                ("b1", words("de la moitié à 90\u{202F}%", "half to 90%")), ("h2", words("jusqu’à 99\u{202F}%", "up to 99%")),
                ("mk", words("la moitié, un an avant", "half, a year before")),
            ])
        for (index, tick) in ticks.enumerated() {
            drawing.line(x(tick.seconds), head, x(tick.seconds), drawing.height - 20, "gr")
            let anchor = index == 0 ? "start" : index >= ticks.count - 2 ? "end" : "middle"
            drawing.text(tick.text.replacing(" ", with: "\u{202F}"), x(tick.seconds), drawing.height - 6, anchor)
        }
        for (index, value) in values.enumerated() {
            let y = Double(index) * row + 30 + head
            guard let half = value.histogram.percentile(0.5), let most = value.histogram.percentile(0.9),
                let all = value.histogram.percentile(0.99)
            else {
                drawing.text("\(value.name)\u{202F}: \(words("rien de mesuré", "nothing measured"))", left, y - 14, style: "t n")
                continue
            }
            drawing.text(
                "\(value.name)\u{202F}: \(words.duration(half)) · \(words.duration(most)) · \(words.duration(all))", left, y - 14,
                style: "t n bg")
            drawing.bar(x(half), y - 2, x(all) - x(half), 4, "h2")
            drawing.bar(x(half), y - 4, x(most) - x(half), 8, "b1", radius: 4)
            if let before = value.before.percentile(0.5) { drawing.bar(x(before) - 1.5, y - 9, 3, 18, "mk", radius: 1) }
            drawing.circle(x(half), y, 6, "dt", title: "\(words("la moitié", "half"))\u{202F}: \(words.duration(half))")
            drawing.circle(x(most), y, 4, "dt", title: "90\u{202F}%\u{202F}: \(words.duration(most))")
            drawing.circle(x(all), y, 3, "dt", title: "99\u{202F}%\u{202F}: \(words.duration(all))")
        }
        return drawing.svg(label: label)
    }
}
