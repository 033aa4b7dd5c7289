// Reports something to a city and follows it until it is closed: Kotlin with the JDK's client (11 or later) and kotlinx.serialization.
//
//     java -jar report.jar BASE KEY DESCRIPTION [SECONDS]
//
// BASE: a city's own base, as its discovery document names it. SECONDS: between two looks, 60 if not given.
import java.net.URI
import java.net.URLEncoder
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.UUID
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

val client: HttpClient = HttpClient.newHttpClient()

fun JsonElement.text(name: String): String? = jsonObject[name]?.jsonPrimitive?.contentOrNull

fun list(answer: HttpResponse<String>): JsonArray = Json.parseToJsonElement(answer.body()).jsonArray

/** The answer, 200 or 304. Waits and tries again when told to. */
fun call(request: HttpRequest): HttpResponse<String> {
    while (true) {
        val answer = client.send(request, HttpResponse.BodyHandlers.ofString())
        when (answer.statusCode()) {
            200, 304 -> return answer
            429, 503 -> Thread.sleep(1000 * answer.headers().firstValue("Retry-After").orElse("5").toLong())
            // A refusal is always a list of {code, description}.
            else -> error(list(answer).joinToString("; ") { it.text("description").orEmpty() })
        }
    }
}

fun main(arguments: Array<String>) {
    val (base, key, description) = arguments
    val seconds = arguments.getOrNull(3)?.toDouble() ?: 60.0
    fun at(path: String) = HttpRequest.newBuilder(URI("$base/$path"))

    // One that asks no question and answers with an id.
    val service = list(call(at("services.json").build())).first {
        it.text("type") == "realtime" && it.jsonObject["metadata"]?.jsonPrimitive?.boolean == false
    }

    val fields = mapOf(
        "service_code" to service.text("service_code").orEmpty(), "lat" to "43.6", "long" to "3.2", "description" to description,
    )
    val form = fields.entries.joinToString("&") { "${it.key}=${URLEncoder.encode(it.value, Charsets.UTF_8)}" }
    val report = at("requests.json")
        .header("X-API-Key", key)
        // Sent again with the same key after a lost connection, it is the same report.
        .header("Idempotency-Key", UUID.randomUUID().toString())
        .header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        .POST(HttpRequest.BodyPublishers.ofString(form))
        .build()
    val id = list(call(report))[0].text("service_request_id")
    println("reported: $id")

    var tag: String? = null
    while (true) {
        val look = at("requests/$id.json")
        // Next time only what has changed is sent.
        tag?.let { look.header("If-None-Match", it) }
        val answer = call(look.build())
        if (answer.statusCode() == 200) {
            val request = list(answer)[0]
            if (request.text("status") == "closed") return println("closed: ${request.text("status_notes").orEmpty()}")
            tag = answer.headers().firstValue("ETag").orElse(null)
        }
        Thread.sleep((1000 * seconds).toLong())
    }
}
