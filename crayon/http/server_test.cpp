#include "crayon/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "crayon/http/client.h"
#include "crayon/http/internal/access.h"
#include "crayon/http/internal/raw_socket_for_tests.h"

namespace crayon {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::Property;
using testing::StartsWith;
using testing::Throws;

ServerResponse text(const std::string& body) { return {200, body, "text/plain", {}, {}}; }

// A server with one GET and one POST route.
class HttpServerTest : public testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    server = std::make_unique<HttpServer>(std::move(options));
    server->route("GET", "/hello", [](const ServerRequest& r) {
      return text(r.query.contains("name") ? "hello " + r.query.at("name") : "hello");
    });
    server->route("POST", "/echo", [](const ServerRequest& r) { return text(r.body); });
    server->route("GET", "/local", [](const ServerRequest& r) {
      return text(r.headers.contains("x-local") ? r.headers.at("x-local") : "");
    });
    port = server->start();
  }
  HttpResponse send(const HttpRequest& request) { return HttpClient(server->url()).send(request); }
  HttpResponse get(const std::string& path, std::map<std::string, std::string> headers = {}) {
    return send({"GET", path, std::move(headers), "", "", false});
  }
  HttpResponse post(const std::string& body, const std::string& type = "application/json") {
    return send({"POST", "/echo", {}, body, type, false});
  }

  std::unique_ptr<HttpServer> server;
  int port = 0;
};

TEST(Access, KnowsLoopbackFromNamesThatLookLikeIt) {
  for (const auto* host : {"localhost", "LocalHost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const auto* host : {"", "0.0.0.0", "::", "127.0.0.1.evil.example", "127.evil.example",
                           "localhost.evil.example", "10.0.0.1", "[::2]"}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
}

TEST(Access, TakesHostsAndOriginsOfThisMachineOnly) {
  EXPECT_TRUE(host_allowed("localhost:8080", "127.0.0.1"));
  EXPECT_TRUE(host_allowed("[::1]:8080", "127.0.0.1"));
  EXPECT_TRUE(host_allowed("my-host:1", "my-host"));
  for (const auto* host : {"", "evil.example", "evil.example:8080", "localhost:80@evil.example",
                           "localhost:evil", "[::1", "[::1]evil"}) {
    EXPECT_FALSE(host_allowed(host, "127.0.0.1")) << host;
  }
  EXPECT_TRUE(origin_allowed("http://localhost:3000", "127.0.0.1"));
  for (const auto* origin : {"null", "", "https://evil.example", "file://", "localhost"}) {
    EXPECT_FALSE(origin_allowed(origin, "127.0.0.1")) << origin;
  }
}

TEST(Access, TakesTheWholeKeyOnly) {
  EXPECT_TRUE(key_matches("Bearer abc", "abc"));
  EXPECT_TRUE(key_matches("bearer abc", "abc"));
  for (const auto* given : {"", "abc", "Bearer ", "Bearer ab", "Bearer abcd", "Basic abc"}) {
    EXPECT_FALSE(key_matches(given, "abc")) << given;
  }
}

TEST(ErrorBody, IsThatOfTheOpenAiApiAndAlwaysValidJson) {
  EXPECT_EQ(openai_error_body(ErrorCode::NotFound, "no \"x\""),
            R"({"error":{"message":"no \"x\"","type":"invalid_request_error","param":null,)"
            R"("code":"not_found"}})");
  EXPECT_THAT(openai_error_body(ErrorCode::Unavailable, "\xff"),
              AllOf(HasSubstr("server_error"), HasSubstr("\xEF\xBF\xBD")));
}

TEST_F(HttpServerTest, AnswersOnTheFreePortThatItPicked) {
  start();
  EXPECT_EQ(server->url(), "http://127.0.0.1:" + std::to_string(port));
  EXPECT_EQ(get("/hello").body, "hello");
  EXPECT_EQ(get("/hello?name=a%20b").body, "hello a b");
  EXPECT_EQ(post("{}").body, "{}");
}

TEST_F(HttpServerTest, AnswersHeadLikeGetWithoutBody) {
  start();
  const auto answer = exchange_raw(port, "HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200"), EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, RefusesAPortThatIsTaken) {
  start();
  HttpServer second({.port = port});
  EXPECT_THAT([&] { second.start(); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unavailable),
                                  Property(&Error::what, HasSubstr(std::to_string(port))))));
}

TEST(HttpServerOptions, NeedAKeyBeyondLoopback) {
  for (const auto* host : {"0.0.0.0", "::", "192.168.0.1", "my-host"}) {
    EXPECT_THAT([&] { HttpServer server({.host = host}); },
                Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                    Property(&Error::what, HasSubstr("key")))))
        << host;
  }
  EXPECT_NO_THROW(HttpServer({.host = "0.0.0.0", .key = "k"}));
}

TEST_F(HttpServerTest, AsksForTheKeyButOnOpenPaths) {
  start({.host = "0.0.0.0", .key = "secret", .open_paths = {"/hello"}});
  const HttpClient client("http://127.0.0.1:" + std::to_string(port));
  const auto post_with = [&](std::map<std::string, std::string> headers) {
    return client.send({"POST", "/echo", std::move(headers), "{}", "application/json", false});
  };
  EXPECT_EQ(post_with({}).status, 401);
  EXPECT_EQ(post_with({}).headers.at("www-authenticate"), "Bearer");
  EXPECT_EQ(post_with({{"Authorization", "Bearer wrong"}}).status, 401);
  EXPECT_EQ(post_with({{"Authorization", "Bearer secret"}}).status, 200);
  EXPECT_EQ(client.send({.path = "/hello"}).status, 200);
  EXPECT_EQ(client.send({.path = "/other"}).status, 401) << "paths must not show without the key";
}

TEST_F(HttpServerTest, RefusesARebindingHostAndAForeignOrigin) {
  start();
  EXPECT_EQ(get("/hello", {{"Host", "evil.example"}}).status, 403);
  EXPECT_EQ(get("/hello", {{"Host", "localhost:1"}}).status, 200);
  EXPECT_EQ(get("/hello", {{"Origin", "https://evil.example"}}).status, 403);
  EXPECT_EQ(get("/hello", {{"Origin", "null"}}).status, 403);
  EXPECT_EQ(get("/hello", {{"Origin", server->url()}}).status, 200);
  EXPECT_THAT(exchange_raw(port, "GET /hello HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 403"));
}

TEST_F(HttpServerTest, TakesJsonBodiesOnly) {
  start();
  EXPECT_EQ(post("{}", "application/json; charset=utf-8").status, 200);
  EXPECT_EQ(post("{}", "text/plain").status, 415);
  EXPECT_EQ(post("a=b", "application/x-www-form-urlencoded").status, 415);
  EXPECT_EQ(post("{}", "application/jsonx").status, 415);
  EXPECT_THAT(
      exchange_raw(port, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"),
      StartsWith("HTTP/1.1 415"));
}

// A request as bytes: the head of a POST to /echo with further headers, and what follows it.
std::string raw_post(const std::string& headers, const std::string& body = "{}") {
  return "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + headers +
         "\r\n" + body;
}

TEST_F(HttpServerTest, AsksForTheLengthOfABodyInsteadOfWaitingForItsEnd) {
  start();
  const auto answer = exchange_raw(port, raw_post(""));
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 411"), HasSubstr("Content-Length")));
  for (const auto* bad :
       {"Content-Length: \r\n", "Content-Length: x\r\n", "Content-Length: -2\r\n",
        "Content-Length: 2x\r\n", "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"}) {
    EXPECT_THAT(exchange_raw(port, raw_post(bad)),
                testing::AnyOf(StartsWith("HTTP/1.1 400"), StartsWith("HTTP/1.1 411")))
        << bad;
  }
  EXPECT_THAT(exchange_raw(port, raw_post("Content-Length: 2\r\n")), EndsWith("\r\n\r\n{}"));
}

TEST_F(HttpServerTest, HeadersThatComeTwiceAreOneList) {
  start();
  EXPECT_THAT(exchange_raw(port,
                           "GET /local HTTP/1.1\r\nHost: localhost\r\nX-Local: 0\r\n"
                           "x-local: true\r\n\r\n"),
              EndsWith("\r\n\r\n0, true"));
}

TEST_F(HttpServerTest, RefusesABodyThatIsFormattedOrCompressedBeforeItIsRead) {
  start();
  const std::string form =
      "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n";
  EXPECT_EQ(post(form, "multipart/form-data; boundary=b").status, 415);
  for (const auto* encoding : {"br", "gzip", "deflate", "zstd"}) {
    const auto answer = exchange_raw(port, raw_post(std::string("Content-Length: 2\r\nContent-") +
                                                    "Encoding: " + encoding + "\r\n"));
    EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 415"), HasSubstr("Content-Encoding")));
  }
  EXPECT_THAT(exchange_raw(port, raw_post("Content-Length: 2\r\nContent-Encoding: identity\r\n")),
              StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AClientThatSendsAllBeforeItReadsSeesWhyItIsRefused) {
  start({.max_body_bytes = 4u << 20});
  const std::string body(6u << 20, 'x');
  const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
  EXPECT_THAT(exchange_raw(port, raw_post(length, body)), StartsWith("HTTP/1.1 413"));
  EXPECT_EQ(send({"POST", "/nope", {}, body, "application/json", false}).status, 404);
}

TEST_F(HttpServerTest, NamesUnknownPathsAndMethodsInJson) {
  start();
  EXPECT_EQ(get("/nope").status, 404);
  EXPECT_THAT(get("/nope").body, HasSubstr("not_found"));
  const auto wrong = get("/echo");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("allow"), "POST");
  EXPECT_THAT(wrong.body, HasSubstr("use POST"));
  EXPECT_THAT(exchange_raw(port, "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              StartsWith("HTTP/1.1 405"));
}

TEST_F(HttpServerTest, LimitsTheBodyAlsoWhenItsLengthIsNotSaid) {
  start({.max_body_bytes = 1000});
  EXPECT_EQ(post(std::string(1000, 'x')).status, 200);
  EXPECT_EQ(post(std::string(1001, 'x')).status, 413);
  std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 11; ++i) chunked += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_THAT(exchange_raw(port, chunked + "0\r\n\r\n"), StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, StopsReadingAHeadOfMoreThan64KiB) {
  start();
  std::string head = "GET /hello HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 5000; ++i) head += "a: bcdef\r\n";
  EXPECT_THAT(exchange_raw(port, head + "\r\n"), StartsWith("HTTP/1.1 200"));
  for (int i = 0; i < 4000; ++i) head += "a: bcdef\r\n";
  EXPECT_THAT(exchange_raw(port, head + "\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(get("/hello").status, 200) << "the server must live on";
}

TEST_F(HttpServerTest, SurvivesBytesThatAreNotHttp) {
  start();
  for (const std::string bytes :
       {"\r\n\r\n", "\x16\x03\x01 tls", "GET\r\n\r\n", "GET / HTTP/9\r\n\r\n"}) {
    const int fd = connect_raw(port);
    send_all(fd, bytes);
    shutdown(fd, SHUT_WR);
    EXPECT_THAT(receive_all(fd), Not(HasSubstr("200 OK")));
    close(fd);
  }
  EXPECT_EQ(get("/hello").status, 200);
}

TEST_F(HttpServerTest, TurnsExceptionsIntoErrorBodies) {
  HttpServer thrower({});
  thrower.route("GET", "/error", [](const ServerRequest&) -> ServerResponse {
    throw Error(ErrorCode::Incompatible, "x and y");
  });
  thrower.route("GET", "/bug", [](const ServerRequest&) -> ServerResponse {
    throw std::runtime_error("the user's text");
  });
  thrower.start();
  const HttpClient client(thrower.url());
  testing::internal::CaptureStderr();

  const auto error = client.send({.path = "/error"});
  const auto bug = client.send({.path = "/bug"});

  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(error.status, 409);
  EXPECT_EQ(error.body, openai_error_body(ErrorCode::Incompatible, "x and y"));
  EXPECT_EQ(bug.status, 500);
  EXPECT_THAT(bug.body, AllOf(HasSubstr("internal error"), Not(HasSubstr("the user's"))));
  EXPECT_THAT(log, AllOf(HasSubstr("GET /bug"), Not(HasSubstr("the user's"))));
}

TEST_F(HttpServerTest, EndsAStreamThatFailsWithAnErrorEvent) {
  HttpServer streamer({});
  streamer.route("GET", "/", [](const ServerRequest&) {
    ServerResponse response;
    response.stream = [](const SendEvent& send) {
      send("one");
      throw Error(ErrorCode::Unavailable, "engine gone");
    };
    return response;
  });
  streamer.start();
  EXPECT_EQ(
      HttpClient(streamer.url()).send({}).body,
      "data: one\n\ndata: " + openai_error_body(ErrorCode::Unavailable, "engine gone") + "\n\n");
}

TEST_F(HttpServerTest, KeepsLineEndsOutOfResponseHeaders) {
  HttpServer server_({});
  server_.route("GET", "/", [](const ServerRequest&) {
    return ServerResponse{200, "", "text/plain", {{"X-A", "b\r\nX-Evil: c"}}, {}};
  });
  server_.start();
  const auto response = HttpClient(server_.url()).send({});
  EXPECT_FALSE(response.headers.contains("x-evil"));
  EXPECT_EQ(response.headers.at("x-a"), "b  X-Evil: c");
}

TEST_F(HttpServerTest, TellsHandlerAndStreamThatTheClientHasGone) {
  std::promise<void> running, handler_saw, stream_saw;
  HttpServer watcher({});
  watcher.route("GET", "/wait", [&](const ServerRequest& request) {
    running.set_value();
    while (!request.disconnected()) std::this_thread::yield();
    handler_saw.set_value();
    return text("");
  });
  watcher.route("GET", "/stream", [&](const ServerRequest&) {
    ServerResponse response;
    response.stream = [&](const SendEvent& send) {
      while (send("x")) std::this_thread::yield();
      stream_saw.set_value();
    };
    return response;
  });
  const int at = watcher.start();

  const int first = connect_raw(at);
  send_all(first, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
  running.get_future().wait();
  close(first);
  handler_saw.get_future().wait();

  const int second = connect_raw(at);
  send_all(second, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  receive_head(second);
  close(second);
  stream_saw.get_future().wait();
}

TEST_F(HttpServerTest, StopLetsARunningRequestEnd) {
  std::promise<void> running, go_on;
  HttpServer slow({});
  slow.route("GET", "/", [&](const ServerRequest&) {
    running.set_value();
    go_on.get_future().wait();
    return text("done");
  });
  slow.start();
  const HttpClient client(slow.url());
  auto answer = std::async(std::launch::async, [&] { return client.send({}).body; });
  running.get_future().wait();
  std::thread stopper([&] { slow.stop(); });
  go_on.set_value();
  EXPECT_EQ(answer.get(), "done");
  stopper.join();
  EXPECT_THROW((void)client.send({}), Error);
}

TEST_F(HttpServerTest, StopDoesNotWaitForAnIdleConnection) {
  start();
  const int idle = connect_raw(port);
  EXPECT_EQ(get("/hello").status, 200);  // accepted after the idle one
  server->stop();
  server->stop();
  EXPECT_EQ(receive_all(idle), "");
  close(idle);
}

TEST_F(HttpServerTest, AnswersManyClientsAtOnce) {
  start({.threads = 4});
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      for (int j = 0; j < 5; ++j) good += get("/hello").body == "hello" ? 1 : 0;
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 80);
}

}  // namespace
}  // namespace crayon
