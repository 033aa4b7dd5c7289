import ArgumentParser
import Configuration
import Storage

extension Settings {
    /// Where photos are stored; nil for an installation that takes none.
    var media: (any MediaStore)? {
        get throws {
            let s3 = try self.s3
            guard reader.string(forKey: "media.directory") != nil || s3 != nil else { return nil }
            let folder = try mediaFolder
            return s3.map { S3Store($0, receiving: folder) } ?? folder
        }
    }

    /// Where photos stand, or are received.
    var mediaFolder: MediaFolder {
        get throws {
            guard let directory = reader.string(forKey: "media.directory") else {
                throw ValidationError(
                    "media.directory is not set: with media.s3 too, photos are received on this machine's disk first. "
                        + Self.place(of: "media.directory"))
            }
            return try MediaFolder(path: directory)
        }
    }

    /// For tests.
    var mediaFailPoint: MediaFailPoint? { reader.string(forKey: "failpoint").flatMap { MediaFailPoint(rawValue: $0) } }

    /// Nil where photos stay on this machine's disk.
    private var s3: S3Configuration? {
        get throws {
            guard let endpoint = reader.string(forKey: "media.s3.endpoint") else {
                guard reader.string(forKey: "media.s3.bucket") == nil else {
                    throw ValidationError(
                        "media.s3.bucket is set, and media.s3.endpoint is not: photos would go to the disk. "
                            + Self.place(of: "media.s3.endpoint"))
                }
                return nil
            }
            do {
                return try S3Configuration(
                    endpoint: endpoint, region: reader.string(forKey: "media.s3.region", default: "us-east-1"),
                    bucket: try required("media.s3.bucket", hint: "the bucket's name; it must be there"),
                    prefix: reader.string(forKey: "media.s3.prefix", default: ""),
                    accessKey: try required("media.s3.accessKey", hint: "the access key's id"),
                    secretKey: try required("media.s3.secretKey", hint: "the access key's secret"),
                    authorities: reader.string(forKey: "media.s3.authorities"),
                    allowsCleartext: reader.bool(forKey: "media.s3.allowCleartext", default: false))
            } catch let fault as S3Configuration.Fault {
                let setting = "media.s3.\(fault.setting)"
                throw ValidationError("\(setting): \(fault.problem). \(Self.place(of: setting))")
            }
        }
    }
}
