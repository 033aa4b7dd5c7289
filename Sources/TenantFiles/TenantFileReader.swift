import Open311

extension TenantFile {
    /// Reads and checks a file.
    ///
    /// - Parameter bytes: UTF-8 YAML, at most ``YAMLReader/maximumBytes``.
    /// - Throws: ``TenantFileFaults`` with everything that is wrong, not only the first.
    public init(parsing bytes: [UInt8]) throws(TenantFileFaults) {
        var reading = Reading()
        do throws(YAMLFault) {
            let root = try YAMLReader.document(bytes)
            reading.read(root, prefix: "")
            reading.finish(root)
        } catch {
            reading.faults.append(TenantFileFault(line: error.line, path: "", problem: error.problem))
        }
        guard reading.faults.isEmpty else {
            throw TenantFileFaults(faults: reading.faults.sorted { ($0.line, $0.path) < ($1.line, $1.path) })
        }
        self = reading.file
    }

    private struct Reading {
        var file = TenantFile(tenant: .stem(""))
        var faults: [TenantFileFault] = []
        private var seen: Set<String> = []

        /// - Parameter prefix: of the object's members, as in `limits.`; empty for the file.
        mutating func read(_ node: YAMLNode, prefix: String) {
            guard case .mapping(let entries) = node.content else {
                let what = prefix.isEmpty ? "the file" : String(prefix.dropLast())
                faults.append(
                    TenantFileFault(
                        line: node.line, path: String(prefix.dropLast()),
                        problem: node.isNull && !prefix.isEmpty
                            ? "has no members; indent them below it, or leave the line out" : "\(what) must be an object: names with values"
                    ))
                return
            }
            for entry in entries {
                let path = prefix + entry.key
                if let field = TenantFileField.all.first(where: { $0.path == path }) {
                    read(field, entry)
                } else if TenantFileField.all.contains(where: { $0.path.hasPrefix(path + ".") }) {
                    read(entry.value, prefix: path + ".")
                } else {
                    faults.append(
                        TenantFileFault(line: entry.line, path: prefix + YAMLReader.shown(entry.key), problem: unknown(entry.key, prefix)))
                }
            }
        }

        private mutating func read(_ field: TenantFileField, _ entry: YAMLEntry) {
            seen.insert(field.path)
            file.stands(field.path, at: entry.line)
            do throws(TenantFileField.Problem) {
                try field.read(entry.value, &file)
            } catch {
                faults.append(TenantFileFault(line: error.line ?? entry.line, path: field.path, problem: error.text))
            }
        }

        private func unknown(_ key: String, _ prefix: String) -> String {
            let siblings = Set(
                TenantFileField.all.compactMap { field in
                    field.path.hasPrefix(prefix) ? field.path.dropFirst(prefix.count).split(separator: ".").first.map(String.init) : nil
                }
            ).sorted()
            guard let nearest = NearestName.of(key, in: siblings) else {
                return "there is no such field here; there are \(siblings.joined(separator: ", "))"
            }
            return "there is no such field; did you mean \(prefix)\(nearest)?"
        }

        /// What no field can see for itself.
        mutating func finish(_ root: YAMLNode) {
            guard case .mapping = root.content else { return }
            for field in TenantFileField.all where field.isRequired && !seen.contains(field.path) {
                faults.append(TenantFileFault(line: root.line, path: field.path, problem: "is missing"))
            }
            let declared = file.declaration
            for (path, contact) in [
                ("contacts.technical_administrator", declared.contacts.technicalAdministrator),
                ("contacts.manager", declared.contacts.manager),
            ] where contact.name != nil && contact.email == nil && !seen.contains(path + ".email") {
                faults.append(file.fault(at: path + ".name", "has no email beside it"))
            }
            if declared.limits.channels < declared.limits.connections {
                faults.append(
                    file.fault(
                        at: seen.contains("limits.channels") ? "limits.channels" : "limits.connections",
                        "limits.channels (\(declared.limits.channels)) must not be less than limits.connections (\(declared.limits.connections))"
                    ))
            }
            if (declared.policies.contract == .both) != (declared.policies.contractSunset != nil) {
                faults.append(
                    file.fault(
                        at: seen.contains("policies.contract_sunset") ? "policies.contract_sunset" : "policies.contract",
                        "contract: both and contract_sunset go together"))
            }
            for (path, isSaid) in [
                ("notices.from_name", file.notices.fromName != nil), ("notices.reply_to", file.notices.replyTo != nil),
            ] where isSaid && !seen.contains("notices.kinds") {
                faults.append(file.fault(at: path, "has no notices.kinds beside it: say of what citizens are written"))
            }
            var words: Set<String> = []
            for (index, template) in (file.notices.templates ?? []).enumerated()
            where !words.insert("\(template.kind.rawValue) \(template.language)").inserted {
                faults.append(
                    file.fault(
                        at: "notices.templates.\(index)",
                        "\(template.kind.rawValue) \(template.language) has words already, in the list above"))
            }
            if let program = declared.policies.photos.blurCommand.first, !program.hasPrefix("/") {
                faults.append(
                    file.fault(at: "policies.photos.blur_command", "must begin with the whole path of a program, as in /usr/local/bin/blur")
                )
            }
            if declared.fallbackLanguages.contains(declared.language) {
                faults.append(
                    file.fault(at: "fallback_languages", "has the tenant's own language, \(declared.language), which comes first anyhow"))
            }
        }
    }
}
