import Testing

@testable import Storage

@Suite("The audit as CSV")
struct AuditExportTests {
    @Test(
        "no text is a formula",
        arguments: [
            ("=1+1", "\"'=1+1\""), ("+1", "\"'+1\""), ("-1", "\"'-1\""), ("@SUM(A1)", "\"'@SUM(A1)\""), ("\tx", "\"'\tx\""),
            ("\r=1", "\"'\r=1\""), ("\n=1", "\"'\n=1\""), ("＝1", "\"'＝1\""), ("=cmd|'/c calc'!A0", "\"'=cmd|'/c calc'!A0\""),
            ("say \"no\"", "\"say \"\"no\"\"\""), ("a,b", "\"a,b\""), ("GET services", "\"GET services\""), ("", "\"\""),
        ])
    func formulas(text: String, cell: String) { #expect(AuditExport.text(text) == cell) }
}
