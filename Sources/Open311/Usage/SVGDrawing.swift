/// SVG as text. Colours come from the page's classes, so that light, dark and print have their own.
struct SVGDrawing {
    private(set) var body = ""
    let width: Double
    let height: Double

    init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }

    /// - Parameter title: shown by browsers under the pointer; needs no script.
    mutating func bar(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String, title: String = "", radius: Double = 2)
    {
        body +=
            "<rect x=\"\(Self.short(x))\" y=\"\(Self.short(y))\" width=\"\(Self.short(max(0, width)))\" height=\"\(Self.short(max(0, height)))\""
        body +=
            " rx=\"\(Self.short(radius))\" class=\"\(style)\""
            + (title.isEmpty ? "/>" : "><title>\(HTMLText.escaped(title))</title></rect>")
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
        body +=
            "<line x1=\"\(Self.short(x1))\" y1=\"\(Self.short(y1))\" x2=\"\(Self.short(x2))\" y2=\"\(Self.short(y2))\" class=\"\(style)\"/>"
    }

    mutating func circle(_ x: Double, _ y: Double, _ radius: Double, _ style: String, title: String) {
        body += "<circle cx=\"\(Self.short(x))\" cy=\"\(Self.short(y))\" r=\"\(Self.short(radius))\" class=\"\(style)\">"
        body += "<title>\(HTMLText.escaped(title))</title></circle>"
    }

    /// - Parameter anchor: start, middle or end.
    mutating func text(_ text: String, _ x: Double, _ y: Double, _ anchor: String = "start", style: String = "t") {
        body +=
            "<text x=\"\(Self.short(x))\" y=\"\(Self.short(y))\" text-anchor=\"\(anchor)\" class=\"\(style)\">\(HTMLText.escaped(text))</text>"
    }

    /// - Parameter label: what it shows in one sentence, for those who do not see it.
    func svg(label: String) -> String {
        "<svg viewBox=\"0 0 \(Self.short(width)) \(Self.short(height))\" role=\"img\" aria-label=\"\(HTMLText.escaped(label))\">\(body)</svg>"
    }

    /// Tenths of a unit are finer than any screen here.
    static func short(_ value: Double) -> String { DecimalForm.text((value * 10).rounded() / 10) }

    /// A round step that divides `largest` into at most five parts: 1, 2 or 5 times a power of ten.
    static func step(for largest: Int64) -> Int64 {
        var power: Int64 = 1
        while power < Int64.max / 100 {
            for factor in [1, 2, 5] as [Int64] where factor * power * 5 >= largest { return factor * power }
            power *= 10
        }
        return max(1, largest)
    }
}
