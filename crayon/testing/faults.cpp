// The faults, one function or text each.
#include <string>

#include "crayon/testing/faulty_server.h"

namespace crayon {
namespace {

// The analyser loses sight of what a std::function holds.
// NOLINTBEGIN(clang-analyzer-cplusplus.NewDeleteLeaks)

constexpr const char* kJson = R"({"model":"big","choices":[{"index":0,"message":{"role":)"
                              R"("assistant","content":"B"},"finish_reason":"stop"}],)"
                              R"("usage":{"prompt_tokens":5,"completion_tokens":1}})";
constexpr const char* kPiece =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"B\"}}]}\n\n";
constexpr const char* kEmptyPiece =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
constexpr const char* kStop =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
constexpr const char* kDone = "data: [DONE]\n\n";
constexpr const char* kEventHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

std::string answer(const std::string& head, const std::string& body) {
  return "HTTP/1.1 " + head + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}
std::string good_json(const std::string& body = kJson) {
  return answer("200 OK\r\nContent-Type: application/json", body);
}

using Serve = std::function<void(FaultyPeer&)>;

// Reads the request, then says these bytes.
Serve say(const std::string& bytes) {
  return [bytes](FaultyPeer& peer) {
    if (peer.read_request()) peer.send(bytes);
  };
}
Serve status(const std::string& head) {
  return say(answer(head + "\r\nContent-Type: application/json",
                    R"({"error":{"message":"so it is","type":"test"}})"));
}
// Another answer to a stream than to a plain request.
Serve either(const std::string& plain, const std::string& stream) {
  return [plain, stream](FaultyPeer& peer) {
    if (peer.read_request()) peer.send(peer.stream ? kEventHead + stream : plain);
  };
}
// A good answer to all but the first request.
Serve at_first(const std::string& head) {
  return [first = status(head)](FaultyPeer& peer) {
    if (peer.nth == 0) return first(peer);
    if (peer.read_request()) answer_well(peer);
  };
}
Serve redirect(const std::string& to) {
  return status("307 Temporary Redirect\r\nLocation: " + to);
}
// Says some bytes and then others without end.
Serve endless(const std::string& head, const std::string& more, int pause_ms = 0) {
  return [head, more, pause_ms](FaultyPeer& peer) {
    if (peer.read_request() && peer.send(head)) peer.send_forever(more, pause_ms);
  };
}
Serve stall(const std::string& head) {
  return [head](FaultyPeer& peer) {
    if (peer.read_request() && (head.empty() || peer.send(head))) peer.wait_for_close();
  };
}
Serve reset_after(const std::string& head) {
  return [head](FaultyPeer& peer) {
    if (peer.read_request() && (head.empty() || peer.send(head))) peer.reset();
  };
}

std::string chunk(const std::string& bytes) {
  char size[20];
  (void)snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

Fault taking(std::chrono::milliseconds time, Fault fault) {
  fault.takes = time;
  return fault;
}
constexpr std::chrono::milliseconds kASecond{1100};  // a tenth is added to such a wait
constexpr std::chrono::milliseconds kMegabytes{2000};

std::vector<Fault> connection_faults() {
  return {
      // On a busy machine the reset is there before the client has seen that it was connected, and
      // then it says "no connection".
      {"reset at once", "connection", [](FaultyPeer& peer) { peer.reset(); }},
      {"closed at once", "closed the connection before it answered", [](FaultyPeer&) {}},
      {"reset after the request", "closed the connection before it answered", reset_after("")},
      {"reset inside the head", "closed the connection before it answered",
       reset_after("HTTP/1.1 200 OK\r\nContent-")},
      // A reset may overtake what was sent before it: the client then sees no answer at all.
      {"reset inside the body", "", reset_after("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{")},
      {"stalls before the head", "sent nothing for", stall(""), true},
      {"stalls inside the head", "sent nothing for", stall("HTTP/1.1 200 OK\r\n"), true},
      {"stalls after the head", "sent nothing for",
       stall("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), true},
      {"stalls inside a stream", "sent nothing for", stall(kEventHead + std::string(": hello\n\n")),
       true},
      {"trickles the head", "sent nothing for", endless("HTTP/1.1 200 OK\r\nX: ", "x", 20), true},
      {"trickles the body", "took more than",
       endless("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", ":", 20), true},
      {"a status line of nonsense", "closed the connection before it answered",
       say("\xff\xfe nonsense\r\n\r\n")},
      {"another protocol", "closed the connection before it answered",
       say("SSH-2.0-OpenSSH_9.2\r\n")},
  };
}

std::vector<Fault> tls_faults() {
  const auto good = [](FaultyPeer& peer) {
    if (peer.read_request()) answer_well(peer);
  };
  using Wrong = CertificateFault;
  return {
      {"TLS, all well", nullptr, good, false, true},
      {"no TLS where it should be", "the TLS handshake failed",
       [](FaultyPeer& peer) { peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"); }, false, true,
       Wrong::None, false},
      {"certificate of another name", "not valid for the host", good, false, true,
       Wrong::WrongName},
      {"certificate expired", "certificate has expired", good, false, true, Wrong::Expired},
      {"certificate not yet valid", "certificate is not yet valid", good, false, true,
       Wrong::NotYetValid},
      {"certificate of itself", "self-signed certificate", good, false, true, Wrong::SelfSigned},
      {"TLS stalls after the handshake", "sent nothing for", stall(""), true, true},
      {"TLS reset inside the body", "",
       reset_after("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"), false, true},
  };
}

std::vector<Fault> status_faults() {
  return {
      {"401", "refuses the key", status("401 Unauthorized")},
      {"403", "refuses the key", status("403 Forbidden")},
      {"404", "no such model or path", status("404 Not Found")},
      taking(kASecond, {"429, back in a second", nullptr,
                        at_first("429 Too Many Requests\r\nRetry-After: 1")}),
      taking(kASecond, {"429, back at a date", nullptr,
                        at_first("429 Too Many Requests\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                 "Retry-After: Sun, 06 Nov 1994 08:49:38 GMT")}),
      {"429, back in an hour", "too many requests",
       status("429 Too Many Requests\r\nRetry-After: 3600")},
      {"429 for good", "too many requests", status("429 Too Many Requests")},
      {"400", "refuses the request", status("400 Bad Request")},
      {"500", "the server failed", status("500 Internal Server Error")},
      {"502 for good", "the server failed", status("502 Bad Gateway")},
      {"502 once", nullptr, at_first("502 Bad Gateway")},
      {"503 for good", "the server failed", status("503 Service Unavailable")},
      {"503 once", nullptr, at_first("503 Service Unavailable\r\nRetry-After: 0")},
      {"504", "the server failed", status("504 Gateway Timeout")},
      {"redirect on the same host", nullptr,
       [](FaultyPeer& peer) {
         if (!peer.read_request()) return;
         if (peer.path.starts_with("/moved")) return answer_well(peer);
         peer.send(answer("308 Permanent Redirect\r\nLocation: /moved/here", ""));
       }},
      {"redirect in a circle", "which is not followed", redirect("/v1/chat/completions")},
      {"redirect to another host", "http://other.example/", redirect("http://other.example/")},
      {"redirect to another port", "127.0.0.1:1/", redirect("http://127.0.0.1:1/v1/")},
      {"redirect that loses the question", "which is not followed",
       status("302 Found\r\nLocation: /v1/chat/completions")},
  };
}

std::vector<Fault> body_faults() {
  const std::string large(64 << 10, 'x');
  std::string headers;
  for (int i = 0; i < 64; ++i) headers += "X: " + std::string(1000, 'x') + "\r\n";
  return {
      {"JSON cut short", "not a JSON object", say(good_json(std::string(kJson).substr(0, 60)))},
      {"JSON of another shape", "'choices' is of type null", say(good_json(R"({"answer":"B"})"))},
      {"no choice", "'choices' is empty", say(good_json(R"({"choices":[]})"))},
      {"an error inside 200", "", say(good_json(R"({"error":{"message":"out of memory"}})"))},
      taking(kMegabytes, {"JSON nested without end", "not a JSON object",
                          say(good_json(R"({"choices":)" + std::string(1 << 20, '[')))}),
      {"text that is not UTF-8", "not a JSON object",
       say(good_json("{\"choices\":[{\"message\":{\"content\":\"\xff\xfe\"}}]}"))},
      {"an empty body", "", say(answer("200 OK\r\nContent-Type: application/json", ""))},
      {"204", "", say("HTTP/1.1 204 No Content\r\n\r\n")},
      {"a web page", "not a JSON object",
       say(answer("200 OK\r\nContent-Type: text/html", "<html><body>Log in</body></html>"))},
      {"the wrong content type", nullptr, say(answer("200 OK\r\nContent-Type: image/png", kJson))},
      {"a length beyond the body", "inside its answer",
       say(std::string("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                       "9999\r\n\r\n") +
           kJson)},
      {"a length inside the body", "not a JSON object",
       say(std::string(
               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n") +
           kJson)},
      {"chunks of garbage", "",
       say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n!!\r\n")},
      {"chunks that end early", "",
       say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("{\"choices\":"))},
      {"gzip that was not asked for", "is compressed ('gzip')",
       say(answer("200 OK\r\nContent-Encoding: gzip", "\x1f\x8b\x08" + large))},
      taking(kMegabytes,
             {"a body of a gigabyte", "more than 16777216 bytes",
              endless("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{", large)}),
      taking(kMegabytes,
             {"a head without end", "hold no answer", endless("HTTP/1.1 200 OK\r\n", headers)}),
      taking(kMegabytes, {"a header line without end", "hold no answer",
                          endless("HTTP/1.1 200 OK\r\nX: ", large)}),
      taking(kMegabytes,
             {"the size of a chunk without end", "hold no answer",
              endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0" + large)}),
  };
}

std::vector<Fault> stream_faults() {
  const std::string cut = good_json(std::string(kJson).substr(0, 60));
  const std::string error_event =
      "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n";
  const auto spoken = [&](const char* name, const std::string& then) {
    return Fault{.name = name, .reason = "", .serve = either(cut, kPiece + then), .spoke = true};
  };
  return {
      spoken("a stream cut short after some text", ""),
      spoken("a stream cut inside an event after some text", "data: {\"choices\":[{\"del"),
      spoken("an error event after some text", error_event),
      spoken("an event of garbage after some text", "data: nonsense\n\n"),
      {.name = "a stream that stalls after some text",
       .reason = "sent nothing for",
       .serve =
           [](FaultyPeer& peer) {
             if (peer.read_request() &&
                 (!peer.stream || peer.send(kEventHead + std::string(kPiece))))
               peer.wait_for_close();
           },
       .slow = true,
       .spoke = true},
      {"a stream cut short", "", either(cut, kEmptyPiece)},
      {"a stream cut inside an event", "", either(cut, "data: {\"choices\":[{\"del")},
      {"a stream without an end", "", either(cut, kEmptyPiece + std::string(": ping\n\n"))},
      {"a stream without [DONE]", nullptr, either(good_json(), kPiece + std::string(kStop))},
      {"an error event", "", either(cut, error_event)},
      {"an event of garbage", "", either(cut, std::string("data: nonsense\n\n") + kDone)},
      taking(kMegabytes, {"an event without end", "",
                          endless(kEventHead + std::string("data: "), std::string(64 << 10, 'x'))}),
      {"JSON in place of a stream", nullptr, say(good_json())},
  };
}

}  // namespace

void answer_well(FaultyPeer& peer) {
  peer.send(peer.stream ? kEventHead + std::string(kPiece) + kStop + kDone : good_json());
}

const std::vector<Fault>& all_faults() {
  static const std::vector<Fault> faults = [] {
    std::vector<Fault> all;
    for (auto&& some :
         {connection_faults(), tls_faults(), status_faults(), body_faults(), stream_faults()}) {
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }();
  return faults;
}

}  // namespace crayon
// NOLINTEND(clang-analyzer-cplusplus.NewDeleteLeaks)
