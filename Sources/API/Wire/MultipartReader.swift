import Open311

/// Reads the text parts of `multipart/form-data` (RFC 7578); file parts are passed over.
enum MultipartReader {
    /// - Parameter contentType: the header's value, which names the boundary.
    static func fields(_ bytes: [UInt8], contentType: String) throws(FormError) -> FormFields {
        guard let boundary = parameter("boundary", in: contentType), (1...70).contains(boundary.utf8.count) else {
            throw .malformedMultipart("the Content-Type names no boundary")
        }
        let delimiter = Array("--\(boundary)".utf8)
        guard var position = find(delimiter, in: bytes, from: 0) else { throw .malformedMultipart("the boundary does not occur") }
        var fields = FormFields()
        while true {
            position += delimiter.count
            if bytes[position...].starts(with: "--".utf8) { return fields }
            guard bytes[position...].starts(with: "\r\n".utf8), let end = find(delimiter, in: bytes, from: position) else {
                throw .malformedMultipart("the last part is not closed by its boundary")
            }
            guard fields.count < FormReader.maximumFields else { throw .tooManyFields(maximum: FormReader.maximumFields) }
            // The line break before a delimiter belongs to it.
            try read(bytes[(position + 2)..<max(position + 2, end - 2)], into: &fields)
            position = end
        }
    }

    private static func read(_ part: ArraySlice<UInt8>, into fields: inout FormFields) throws(FormError) {
        guard let blank = find(Array("\r\n\r\n".utf8), in: part, from: part.startIndex) else {
            throw .malformedMultipart("a part has no headers")
        }
        let head = String(decoding: part[..<blank], as: UTF8.self)
        let lines = head.split(separator: "\r\n")
        guard let disposition = lines.first(where: { $0.lowercased().hasPrefix("content-disposition:") }),
            let name = parameter("name", in: String(disposition))
        else { throw .malformedMultipart("a part has no name") }
        guard parameter("filename", in: String(disposition)) == nil else { return }
        guard let value = String(validating: part[(blank + 4)...], as: UTF8.self) else { throw .invalidUTF8(field: name) }
        // A documented client puts a space behind some names.
        fields.append(name: CleanText.singleSpaced(name), value: value)
    }

    /// The value of `key=value` or `key="value"` in a header.
    private static func parameter(_ key: String, in header: String) -> String? {
        for piece in header.split(separator: ";").dropFirst() {
            let trimmed = piece.drop { $0 == " " }
            guard trimmed.lowercased().hasPrefix(key + "=") else { continue }
            let value = trimmed.dropFirst(key.count + 1)
            return value.first == "\"" ? String(value.dropFirst().prefix { $0 != "\"" }) : String(value.prefix { $0 != " " })
        }
        return nil
    }

    private static func find(_ needle: [UInt8], in bytes: [UInt8], from start: Int) -> Int? { find(needle, in: bytes[...], from: start) }

    private static func find(_ needle: [UInt8], in bytes: ArraySlice<UInt8>, from start: Int) -> Int? {
        guard let first = needle.first else { return nil }
        var position = start
        while let candidate = bytes[position...].firstIndex(of: first) {
            if bytes[candidate...].starts(with: needle) { return candidate }
            position = candidate + 1
        }
        return nil
    }
}
