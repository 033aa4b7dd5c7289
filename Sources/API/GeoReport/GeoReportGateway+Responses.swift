import HTTPTypes
import Hummingbird
import NIOCore

extension GeoReportGateway {
    static func response(_ bytes: [UInt8], _ format: ResponseFormat, status: Int = 200, cacheControl: String) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = format.contentType
        headers[.cacheControl] = cacheControl
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    static func response(to error: GeoReportError, _ wanted: ResponseFormat) -> Response {
        let format = wanted.ofDocuments
        return response(to: error, GeoReportDocuments.errors(code: error.status, error.descriptions, format), format)
    }

    /// - Parameter bytes: what the API that was asked says of it.
    static func response(to error: GeoReportError, _ bytes: [UInt8], _ format: ResponseFormat) -> Response {
        var response = response(bytes, format, status: error.status, cacheControl: "no-store")
        if let seconds = error.retryAfter { response.headers[.retryAfter] = String(seconds) }
        if let methods = error.allow { response.headers[.allow] = methods }
        return response
    }
}
