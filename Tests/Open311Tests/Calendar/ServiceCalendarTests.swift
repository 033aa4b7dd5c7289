import Open311
import Testing

@Suite("A tenant's calendar")
struct ServiceCalendarTests {
    private func day(_ text: String) throws -> CivilDay { try #require(CivilDay(text)) }
    private func moment(_ text: String) throws -> Timestamp { try #require(Timestamp(parsing: text)) }

    @Test(
        "Easter Sunday, from the tables of the Church and of the Naval Observatory",
        arguments: [
            (1818, "1818-03-22"), (1943, "1943-04-25"), (1961, "1961-04-02"), (2000, "2000-04-23"), (2008, "2008-03-23"),
            (2011, "2011-04-24"), (2016, "2016-03-27"), (2019, "2019-04-21"), (2020, "2020-04-12"), (2021, "2021-04-04"),
            (2022, "2022-04-17"), (2023, "2023-04-09"), (2024, "2024-03-31"), (2025, "2025-04-20"), (2026, "2026-04-05"),
            (2027, "2027-03-28"), (2028, "2028-04-16"), (2029, "2029-04-01"), (2030, "2030-04-21"), (2038, "2038-04-25"),
        ])
    func easter(year: Int, text: String) throws { #expect(HolidayRegion.easter(year) == (try day(text))) }

    @Test("Easter is a Sunday between 22 March and 25 April, in every year")
    func easterIsASundayInSpring() throws {
        for year in 1583...4_000 {
            let easter = try #require(HolidayRegion.easter(year))
            let date = easter.civil
            #expect(easter.weekday == 7 && (date.month == 3 && date.day >= 22 || date.month == 4 && date.day <= 25))
        }
    }

    @Test("the eleven holidays of France in 2026")
    func france() throws {
        let expected = try [
            "2026-01-01", "2026-04-06", "2026-05-01", "2026-05-08", "2026-05-14", "2026-05-25", "2026-07-14", "2026-08-15", "2026-11-01",
            "2026-11-11", "2026-12-25",
        ].map { try day($0) }
        #expect(HolidayRegion.france.holidays(in: 2026) == Set(expected))
        #expect(HolidayRegion.none.holidays(in: 2026).isEmpty)
    }

    @Test(
        "regions keep their own days besides",
        arguments: [
            (HolidayRegion.alsaceMoselle, ["2026-04-03", "2026-12-26"]), (.guadeloupe, ["2026-05-27"]), (.martinique, ["2026-05-22"]),
            (.guyane, ["2026-06-10"]), (.reunion, ["2026-12-20"]), (.mayotte, ["2026-04-27"]), (.saintBarthelemy, ["2026-10-09"]),
            (.saintMartin, ["2026-05-28"]),
        ])
    func regions(region: HolidayRegion, own: [String]) throws {
        #expect(region.holidays(in: 2026).subtracting(HolidayRegion.france.holidays(in: 2026)) == Set(try own.map { try day($0) }))
        #expect(region.holidays(in: 2026).isSuperset(of: HolidayRegion.france.holidays(in: 2026)))
    }

    @Test("the day of the week goes on over every boundary")
    func weekdays() throws {
        #expect(try day("1970-01-01").weekday == 4 && day("1969-12-31").weekday == 3 && day("2026-11-26").weekday == 4)
        for number in -200_000...200_000 where number % 997 == 0 {
            #expect(CivilDay(number: number + 1).weekday == CivilDay(number: number).weekday % 7 + 1)
            #expect(CivilDay("\(CivilDay(number: number))")?.number == number || CivilDay(number: number).civil.year > 9_999)
        }
    }

    @Test("hours are read and written the same; nonsense is refused")
    func hours() throws {
        for text in ["mon-fri 08:00-18:00", "sat 09:00-12:30", "mon-sun 00:00-24:00"] { #expect(ServiceHours(text)?.description == text) }
        for text in [
            "fri-mon 08:00-18:00", "mon 18:00-08:00", "mon 8:00-18:00", "mon-fri", "lun 08:00-18:00", "mon 08:60-09:00", "mon 23:00-24:01",
            "",
            "mon-tue-wed 08:00-18:00", "mon 08:00-18:00 x", "mon 08:00-08:00",
        ] {
            #expect(ServiceHours(text) == nil, "\(text)")
        }
        for text in ["2026-12-24", "2026-12-24..2027-01-02"] { #expect(DayRange(text)?.description == text) }
        for text in ["2026-12-24..2026-12-23", "2026-02-30", "2026-12-24...2027-01-02", "24/12/2026", "2026-12-24..", "..2026-12-24"] {
            #expect(DayRange(text) == nil, "\(text)")
        }
    }

    @Test("service time is that of the hours: over nights, ends of weeks, holidays, closures and changes of the clock, whole or in pieces")
    func serviceSeconds() throws {
        let paris = LocalClock("Europe/Paris")
        let office = try office()
        func seconds(_ from: String, _ to: String, _ calendar: ServiceCalendar) throws -> Int64 {
            calendar.serviceSeconds(from: try moment(from), to: try moment(to), in: paris)
        }
        #expect(try seconds("2026-11-26T16:50:00Z", "2026-11-26T17:00:00Z", office) == 600)
        #expect(try seconds("2026-11-26T17:00:00Z", "2026-11-27T07:00:00Z", office) == 0)
        // From Friday at 17:00 to Monday at 9:00; over the 11th of November; over the closure at the end of the year.
        #expect(try seconds("2026-11-27T16:00:00Z", "2026-11-30T08:00:00Z", office) == 7_200)
        #expect(try seconds("2026-11-10T00:00:00Z", "2026-11-13T00:00:00Z", office) == 2 * 36_000)
        #expect(try seconds("2026-12-23T00:00:00Z", "2027-01-05T00:00:00Z", office) == 2 * 36_000)
        #expect(try seconds("2026-11-27T10:00:00Z", "2026-11-27T09:00:00Z", office) == 0)
        // The days on which the clocks change have 23 and 25 hours; without hours, every one of them counts, holidays too.
        var open = ServiceCalendar()
        #expect(try seconds("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", open) == 25 * 3_600)
        open.closures = [try #require(DayRange("2026-12-24"))]
        #expect(try seconds("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", open) == 25 * 3_600)
        #expect(try seconds("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", open) == 23 * 3_600)
        #expect(try seconds("2026-12-23T23:00:00Z", "2026-12-25T23:00:00Z", open) == 86_400)
        var overlapping = ServiceCalendar()
        overlapping.hours = [try #require(ServiceHours("sat 10:00-14:00")), try #require(ServiceHours("mon-sun 09:00-12:00"))]
        #expect(try seconds("2026-11-28T00:00:00Z", "2026-11-28T23:00:00Z", overlapping) == 5 * 3_600)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let start = Timestamp(seconds: Int64.random(in: 1_780_000_000...1_800_000_000, using: &random))
            let middle = start.adding(seconds: Int64.random(in: 0...2_000_000, using: &random))
            let end = middle.adding(seconds: Int64.random(in: 0...2_000_000, using: &random))
            for calendar in [office, open, overlapping] {
                let whole = calendar.serviceSeconds(from: start, to: end, in: paris)
                let pieces =
                    calendar.serviceSeconds(from: start, to: middle, in: paris)
                    + calendar.serviceSeconds(from: middle, to: end, in: paris)
                #expect(whole == pieces && (0...(end.seconds - start.seconds)).contains(whole))
            }
        }
    }

    @Test("a service's delay is read and written the same; nonsense is refused")
    func serviceDelays() {
        for text in ["LAMP 10", "Noise at night 365", "A 1"] { #expect(ServiceDelay(text)?.description == text) }
        for text in ["LAMP", "LAMP 0", "LAMP 366", "LAMP -1", "LAMP 1.5", "LAMP ten", " 10", "", "LAMP 0010"] {
            #expect(ServiceDelay(text) == nil, "\(text)")
        }
    }

    private func office() throws -> ServiceCalendar {
        var calendar = ServiceCalendar()
        calendar.hours = [try #require(ServiceHours("mon-fri 08:00-18:00"))]
        calendar.closures = [try #require(DayRange("2026-12-24..2027-01-02"))]
        return calendar
    }

    @Test(
        "service hours are those of the tenant's own clock, without holidays and closures",
        arguments: [
            ("2026-11-26T07:00:00Z", true), ("2026-11-26T06:59:59Z", false), ("2026-11-26T16:59:00Z", true),
            ("2026-11-26T17:00:00Z", false),
            // In summer the clock is two hours ahead.
            ("2026-07-15T06:00:00Z", true), ("2026-07-15T16:00:00Z", false), ("2026-11-28T10:00:00Z", false),
            ("2026-11-11T10:00:00Z", false),
            ("2026-12-28T10:00:00Z", false), ("2027-01-04T10:00:00Z", true),
        ])
    func inService(text: String, expected: Bool) throws {
        #expect(try office().isInService(at: try moment(text), in: LocalClock("Europe/Paris")) == expected)
    }

    @Test("without hours somebody is there day and night, holidays too, but not when it is closed")
    func dayAndNight() throws {
        var calendar = ServiceCalendar()
        calendar.closures = [try #require(DayRange("2026-12-24"))]
        let clock = LocalClock("Europe/Paris")
        #expect(calendar.isInService(at: try moment("2026-12-25T03:00:00Z"), in: clock))
        #expect(!calendar.isInService(at: try moment("2026-12-24T12:00:00Z"), in: clock))
    }

    @Test("a day to answer, from Friday at five: Monday at five; over a holiday and over a weekend with changed clocks too")
    func delays() throws {
        let clock = LocalClock("Europe/Paris")
        let calendar = try office()
        func open(_ from: String, _ to: String) throws -> Int64 {
            calendar.openSeconds(from: try moment(from), to: try moment(to), in: clock)
        }
        #expect(try open("2026-11-27T16:00:00Z", "2026-11-30T16:00:00Z") == 86_400)
        // Tuesday evening to Thursday, with Armistice Day between.
        #expect(try open("2026-11-10T17:00:00Z", "2026-11-12T17:00:00Z") == 86_400)
        // Friday to Monday over the end of summer time: 25 October 2026.
        #expect(try open("2026-10-23T15:00:00Z", "2026-10-26T16:00:00Z") == 86_400)
        #expect(try open("2026-12-26T00:00:00Z", "2026-12-30T00:00:00Z") == 0)
        #expect(try open("2026-11-30T16:00:00Z", "2026-11-27T16:00:00Z") == 0)
    }

    @Test("in Alsace and on Réunion the same days are not the same")
    func placesDiffer() throws {
        func open(_ region: HolidayRegion, _ zone: String) throws -> Int64 {
            var calendar = try office()
            calendar.closures = []
            calendar.holidays = region
            return calendar.openSeconds(
                from: try moment("2026-04-02T12:00:00Z"), to: try moment("2026-04-07T12:00:00Z"), in: LocalClock(zone))
        }
        #expect(try open(.france, "Europe/Paris") == 2 * 86_400)
        #expect(try open(.alsaceMoselle, "Europe/Paris") == 86_400)
        #expect(try open(.reunion, "Indian/Reunion") == 2 * 86_400)
    }

    @Test("the moment before which so much open time has passed is the other way round, to the second")
    func inverse() throws {
        var random = SystemRandomNumberGenerator()
        let calendar = try office()
        for zone in ["Europe/Paris", "America/Martinique", "Indian/Reunion", "Nowhere/Known"] {
            let clock = LocalClock(zone)
            for _ in 0..<60 {
                let end = Timestamp(seconds: Int64.random(in: 1_767_225_600...1_830_297_600, using: &random))
                let wanted = Int64.random(in: 1...40 * 86_400, using: &random)
                let start = calendar.moment(openSeconds: wanted, before: end, in: clock)
                #expect(calendar.openSeconds(from: start, to: end, in: clock) == wanted, "\(zone) \(end.iso8601) \(wanted)")
            }
        }
        var never = ServiceCalendar()
        never.closures = [try #require(DayRange("2000-01-01..2100-01-01"))]
        let end = try moment("2026-11-26T00:00:00Z")
        #expect(never.moment(openSeconds: 1, before: end, in: LocalClock("Europe/Paris")) < end.adding(days: -729))
    }

    @Test("any text is hours or days, or refused; what is read is written back and read the same")
    func anything() {
        var random = SystemRandomNumberGenerator()
        let pieces = ["mon", "fri", "-", " ", "08:00", "18:00", "24:00", ":", "2026-12-24", "..", ".", "0", "9", "é", "\u{0}", "Sun"]
        for _ in 0..<5_000 {
            let text = (0..<Int.random(in: 0...7, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            if let hours = ServiceHours(text) { #expect(ServiceHours(hours.description) == hours) }
            if let range = DayRange(text) { #expect(DayRange(range.description) == range) }
            if let day = CivilDay(text) { #expect(CivilDay("\(day)") == day) }
        }
    }
}
