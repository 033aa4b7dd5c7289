import TestSupport
import Testing

/// The scripts beside this file, each with a city of its own: real sockets, real servers, clients that nobody here wrote.
@Suite("End to end")
struct EndToEndTests {
    @Test("a request goes from a citizen's app to a CRM and its status comes back")
    func journey() async throws { #expect(try await PythonScript.run("journey.py") == 0, "see its output above") }

    @Test("a CRM's updates come back by two doors: every move, batches, mapping, merging, versions, tokens, in any order to the same end")
    func lifecycle() async throws { #expect(try await PythonScript.run("lifecycle.py") == 0, "see its output above") }

    @Test("statuses over AMQP follow the rules of REST, each has its receipt, and garbage ends nothing")
    func statusOverAMQP() async throws { #expect(try await PythonScript.run("status_over_amqp.py") == 0, "see its output above") }

    @Test("dead letters are grouped, shown and returned; a purged queue is repaired from the database; a timeline has no hole")
    func messageRepair() async throws { #expect(try await PythonScript.run("message_repair.py") == 0, "see its output above") }

    @Test("every vendor's example lives through duplicates, crashes, poison and cuts; a new vendor sees a status within five minutes")
    func consumers() async throws { #expect(try await PythonScript.run("consumers.py", length: .long) == 0, "see its output above") }

    @Test("objects deleted, emptied, filled, changed, rights taken away: noticed, repaired by the command that is named, nothing lost")
    func busFaults() async throws { #expect(try await PythonScript.run("bus_faults.py", length: .long) == 0, "see its output above") }

    @Test("every command that a document shows does what it says")
    func documents() async throws { #expect(try await PythonScript.run("documents.py", length: .long) == 0, "see its output above") }

    @Test("photos are cleaned, stored and handed over; what attackers send instead ends nothing")
    func photos() async throws { #expect(try await PythonScript.run("photos.py") == 0, "see its output above") }

    @Test("a city chooses what it takes of photos; long base64 forms, every kind of file")
    func photoPolicies() async throws { #expect(try await PythonScript.run("photo_policies.py") == 0, "see its output above") }

    @Test("hostile pictures, a full disk, a killed gateway and a crowd of uploads harm nothing but themselves")
    func photoHazards() async throws { #expect(try await PythonScript.run("photo_hazards.py") == 0, "see its output above") }

    @Test("the contract is what the broker and its messages are; two versions at once; what is hidden or erased is, everywhere")
    func contract() async throws { #expect(try await PythonScript.run("contract.py") == 0, "see its output above") }

    @Test("a tenant's credentials can do nothing to another tenant, over AMQP, HTTP or SQL")
    func isolation() async throws { #expect(try await PythonScript.run("isolation.py") == 0, "see its output above") }

    @Test("the administration commands answer people and scripts; health page and log tell when PostgreSQL is away")
    func commands() async throws { #expect(try await PythonScript.run("commands.py") == 0, "see its output above") }

    @Test("keys and catalogues change by command, and apps see it within seconds")
    func administration() async throws { #expect(try await PythonScript.run("administration.py") == 0, "see its output above") }

    @Test("photos on an S3 service as on the disk; after any crash and a sweep, store and database agree file by file")
    func photoStores() async throws { #expect(try await PythonScript.run("photo_stores.py") == 0, "see its output above") }

    @Test("TLS, client certificates, haproxy on 443 and idle-cutting middleboxes, as CRMs meet them; netcheck names each fault")
    func network() async throws { #expect(try await PythonScript.run("network.py") == 0, "see its output above") }

    @Test("every call is a row that nobody changes, tampering is found, one trace from the POST to the status; Prometheus loads our rules")
    func audit() async throws { #expect(try await PythonScript.run("audit.py") == 0, "see its output above") }

    @Test("statistics are counted once, equal their rows, and are told as text, JSON, CSV and a page that needs no script")
    func usage() async throws { #expect(try await PythonScript.run("usage.py") == 0, "see its output above") }

    @Test("alerts of a real city: told once to those whom they concern, by mail and webhook, acknowledged by link, over when over")
    func alerts() async throws { #expect(try await PythonScript.run("alerts.py", length: .long) == 0, "see its output above") }

    @Test("one rolling year: rehearsed, held, killed and gone on with, told to the CRM, photo files too; the register sheets")
    func retention() async throws { #expect(try await PythonScript.run("retention.py") == 0, "see its output above") }

    @Test("a tenant from its file to its closing, in a virtual host of its own; a password is changed under load without a gap")
    func tenants() async throws { #expect(try await PythonScript.run("tenants.py") == 0, "see its output above") }

    @Test("reference data from every door, as a whole or not at all: versions, tables, pulls, crashes, requests that come meanwhile")
    func referenceData() async throws { #expect(try await PythonScript.run("reference_data.py") == 0, "see its output above") }

    @Test("places as JSON and as a spreadsheet, live counts, what is near, reports about them, and what is gone")
    func places() async throws { #expect(try await PythonScript.run("places.py") == 0, "see its output above") }
    @Test("citizens are written to once for each event whatever fails; by a signed link they see, withdraw and are forgotten")
    func notices() async throws { #expect(try await PythonScript.run("notices.py") == 0, "see its output above") }
}
