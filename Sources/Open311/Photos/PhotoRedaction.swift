import Foundation

/// A part of a photo that nobody shall see, in pixels of its public copy, from the upper left corner.
public struct PhotoRectangle: Sendable, Equatable, Codable {
    public let x: Int
    public let y: Int
    public let width: Int
    public let height: Int

    public init(x: Int, y: Int, width: Int, height: Int) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }

    /// The part of it inside a picture of this size; nil when there is none.
    public func clipped(width limit: Int, height limitBelow: Int) -> PhotoRectangle? {
        let right = min(x + width, limit)
        let bottom = min(y + height, limitBelow)
        guard right > x, bottom > y else { return nil }
        return PhotoRectangle(x: x, y: y, width: right - x, height: bottom - y)
    }
}

/// What a moderator asks to be blurred for good.
public struct PhotoRedaction: Sendable, Equatable {
    public static let maximumRectangles = 10
    /// No photo is larger, in pixels.
    public static let maximumSide = 10_000
    /// Of the JSON, in bytes.
    public static let maximumSize = 4_096

    public let rectangles: [PhotoRectangle]

    private struct Body: Codable { let rectangles: [PhotoRectangle] }

    /// - Parameter json: `{"rectangles": [{"x": 10, "y": 20, "width": 100, "height": 50}]}`, 1 to 10 of them.
    /// - Returns: nil when it is anything else, or a number is out of 0…10,000 (sides: 1…10,000).
    public init?(json: [UInt8]) {
        guard json.count <= Self.maximumSize, let body = try? JSONDecoder().decode(Body.self, from: Data(json)),
            (1...Self.maximumRectangles).contains(body.rectangles.count),
            body.rectangles.allSatisfy({ rectangle in
                [rectangle.x, rectangle.y].allSatisfy { (0...Self.maximumSide).contains($0) }
                    && [rectangle.width, rectangle.height].allSatisfy { (1...Self.maximumSide).contains($0) }
            })
        else { return nil }
        rectangles = body.rectangles
    }

    /// As the database keeps it.
    public var json: [UInt8] { (try? JSONEncoder().encode(rectangles)).map { Array($0) } ?? [] }

    /// Reads what ``json`` wrote.
    public static func rectangles(stored: [UInt8]) -> [PhotoRectangle]? {
        try? JSONDecoder().decode([PhotoRectangle].self, from: Data(stored))
    }
}
