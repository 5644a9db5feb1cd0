#include "crayon/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <future>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/http/internal/raw_socket_for_tests.h"
#include "crayon/http/server.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::Property;
using testing::Throws;

constexpr HttpTimeouts kLong{60s, 60s, 60s};
constexpr HttpTimeouts kSoonSilent{60s, 150ms, 60s};
constexpr HttpTimeouts kSoonOver{60s, 60s, 200ms};

auto fails(ErrorCode code, const std::string& part) {
  return Throws<Error>(
      AllOf(Property(&Error::code, code), Property(&Error::what, HasSubstr(part))));
}
auto unavailable(const std::string& part) { return fails(ErrorCode::Unavailable, part); }

std::string get(const std::string& url, HttpTimeouts timeouts = kLong) {
  return HttpClient(url, timeouts).send({}).body;
}

// Holds the connection until the client closes it.
void wait_for_close(int fd) { (void)receive_all(fd); }

TEST(HttpClient, RefusesWhatIsNotAnHttpUrl) {
  for (const std::string url : {"", "127.0.0.1:80", "http://", "http://h:0", "http://h:65536",
                                "http://h:8x", "http://[::1", "http://h/a?b", "http://h/ a"}) {
    EXPECT_THAT([&] { HttpClient client(url); }, fails(ErrorCode::InvalidArgument, "expected http"))
        << url;
  }
  EXPECT_THAT([] { HttpClient client("ftp://h"); }, fails(ErrorCode::Unsupported, "'ftp'"));
}

TEST(HttpClient, NeverRepeatsAPasswordOfTheUrl) {
  EXPECT_THAT([] { HttpClient client("http://u:secret@h"); },
              Throws<Error>(Property(&Error::what, Not(HasSubstr("secret")))));
}

TEST(HttpClient, NeverRepeatsAKeyInTheQueryOfTheUrl) {
  for (const std::string url : {"http://h/v1?api_key=secret", "http://h:x?key=secret",
                                "h?key=secret", "ftp://h?key=secret"}) {
    EXPECT_THAT([&] { HttpClient client(url); },
                Throws<Error>(Property(&Error::what, Not(HasSubstr("secret")))))
        << url;
  }
}

TEST(HttpClient, GoesPastNoProxyOfTheEnvironment) {
  std::atomic<bool> proxied = false;
  const RawServer proxy([&](int) { proxied = true; });
  for (const char* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) {
    setenv(name, proxy.url().c_str(), 1);
  }
  HttpServer server({});
  server.route("GET", "/", [](const ServerRequest&) {
    return ServerResponse{200, "direct", "text/plain", {}, {}};
  });
  server.start();
  EXPECT_EQ(get(server.url()), "direct");
  for (const char* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) unsetenv(name);
  EXPECT_FALSE(proxied);
}

TEST(HttpClient, SendsMethodPathBelowThePrefixHeadersAndBody) {
  HttpServer server({});
  server.route("POST", "/api/v1/echo", [](const ServerRequest& request) {
    return ServerResponse{201, request.body + request.headers.at("x-extra"), "text/plain", {}, {}};
  });
  server.start();

  const HttpClient client(server.url() + "/api/");
  const auto response =
      client.send({"POST", "/v1/echo", {{"X-Extra", "!"}}, "{\"a\":1}", "application/json", false});

  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, "{\"a\":1}!");
  EXPECT_EQ(response.headers.at("content-type"), "text/plain");
}

TEST(HttpClient, RefusesHeadersWithLineEndsWithoutShowingThem) {
  const HttpClient client("http://127.0.0.1:9");
  EXPECT_THAT(
      [&] {
        (void)client.send({"GET", "/", {{"Authorization", "Bearer secret\n"}}, "", "", false});
      },
      Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                          Property(&Error::what, HasSubstr("Authorization")),
                          Property(&Error::what, Not(HasSubstr("secret"))))));
  EXPECT_THAT([&] { (void)client.send({.path = "/a\r\nX: y"}); },
              fails(ErrorCode::InvalidArgument, "path"));
}

TEST(HttpClient, SaysThatTheConnectionWasRefusedAndByWhom) {
  std::string url;
  {
    const RawServer closed([](int) {});
    url = closed.url();
  }
  EXPECT_THAT([&] { get(url); },
              unavailable(url + ": refused the connection; is the server running?"));
}

TEST(HttpClient, SaysThatANameIsNotKnown) {
  EXPECT_THAT([] { get("http://no-such-host.invalid"); }, unavailable("no-such-host.invalid"));
}

TEST(HttpClient, EndsASilentAnswerAtTheFirstByteDeadline) {
  const RawServer server(wait_for_close);
  EXPECT_THAT([&] { get(server.url(), kSoonSilent); }, unavailable("sent nothing for 150 ms"));
}

TEST(HttpClient, EndsASilenceInsideTheBody) {
  const RawServer server([](int fd) {
    receive_head(fd);
    send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    wait_for_close(fd);
  });
  EXPECT_THAT([&] { get(server.url(), kSoonSilent); }, unavailable("sent nothing for 150 ms"));
}

TEST(HttpClient, EndsATricklingAnswerAtTheTotalDeadline) {
  const RawServer server([](int fd) {
    receive_head(fd);
    send_all(fd, "HTTP/1.1 200 OK\r\n\r\n");
    char byte = 0;
    while (recv(fd, &byte, 1, MSG_DONTWAIT) != 0) {
      send_all(fd, "x");
      std::this_thread::sleep_for(5ms);
    }
  });
  EXPECT_THAT([&] { get(server.url(), kSoonOver); }, unavailable("more than 200 ms in all"));
}

TEST(HttpClient, EndsAtTheTotalDeadlineInsideTheHead) {
  const RawServer server([](int fd) {
    char byte = 0;
    for (int i = 0; recv(fd, &byte, 1, MSG_DONTWAIT) != 0; ++i) {
      send_all(fd, i == 0 ? "HTTP/1.1 200 OK\r\n" : "a: b\r\n");
      std::this_thread::sleep_for(5ms);
    }
  });
  EXPECT_THAT([&] { get(server.url(), kSoonOver); }, unavailable("more than 200 ms in all"));
}

TEST(HttpClient, EndsATlsHandshakeThatNeverComes) {
  const RawServer server(wait_for_close);
  const std::string https = "https" + server.url().substr(4);
  EXPECT_THAT([&] { get(https, kSoonSilent); }, unavailable("sent nothing for 150 ms"));
}

TEST(HttpClient, SaysThatAServerDoesNotSpeakTls) {
  const RawServer server([](int fd) { send_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); });
  EXPECT_THAT([&] { get("https" + server.url().substr(4)); }, unavailable("TLS handshake"));
}

TEST(HttpClient, SaysWhereTheConnectionBroke) {
  const RawServer before([](int fd) { receive_head(fd); });
  EXPECT_THAT([&] { get(before.url()); }, unavailable("before it answered"));
  const RawServer inside([](int fd) {
    receive_head(fd);
    send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  });
  EXPECT_THAT([&] { get(inside.url()); }, unavailable("inside its answer"));
  const RawServer nonsense([](int fd) {
    receive_head(fd);
    send_all(fd, "\xff\xfe nonsense\r\n\r\n");
  });
  EXPECT_THAT([&] { get(nonsense.url()); }, unavailable(nonsense.url()));
}

TEST(HttpClient, CapsTheBodyWhateverTheHeadSays) {
  const std::string body(2000, 'x');
  for (const std::string length : {"", "Content-Length: 2000\r\n"}) {
    const RawServer server([&](int fd) {
      receive_head(fd);
      send_all(fd, "HTTP/1.1 200 OK\r\n" + length + "\r\n" + body);
    });
    const HttpClient client(server.url(), kLong, 1999);
    EXPECT_THAT([&] { (void)client.send({}); }, unavailable("more than 1999 bytes"));
  }
}

TEST(HttpClient, DoesNotFollowARedirectAndSaysWhereItLeads) {
  HttpServer server({});
  server.route("GET", "/", [](const ServerRequest&) {
    return ServerResponse{302, "", "text/plain", {{"Location", "http://other.example/x"}}, {}};
  });
  server.start();
  const HttpClient client(server.url());

  EXPECT_THAT([&] { (void)client.send({}); }, unavailable("'http://other.example/x'"));
  const auto response = client.send({.return_redirect = true});
  EXPECT_EQ(response.status, 302);
  EXPECT_EQ(response.headers.at("location"), "http://other.example/x");
}

TEST(HttpClient, StreamsASuccessButNotAnError) {
  HttpServer server({});
  server.route("GET", "/good", [](const ServerRequest&) {
    ServerResponse response;
    response.stream = [](const SendEvent& send) { send("a") && send("b\nc"); };
    return response;
  });
  server.start();
  const HttpClient client(server.url());
  std::string streamed;
  const auto keep = [&](std::string_view piece) {
    streamed.append(piece);
    return true;
  };

  const auto good = client.send({.path = "/good"}, keep);
  EXPECT_EQ(good.headers.at("content-type"), "text/event-stream");
  EXPECT_EQ(streamed, "data: a\n\ndata: b\ndata: c\n\n");
  EXPECT_EQ(good.body, "");

  streamed.clear();
  const auto bad = client.send({.path = "/bad"}, keep);
  EXPECT_EQ(bad.status, 404);
  EXPECT_THAT(bad.body, HasSubstr("not_found"));
  EXPECT_EQ(streamed, "");
}

TEST(HttpClient, CancelsWhenTheReceiverReturnsFalse) {
  const RawServer server([](int fd) {
    receive_head(fd);
    send_all(fd, "HTTP/1.1 200 OK\r\n\r\nabc");
    wait_for_close(fd);  // returns because the client closed, not at a deadline
  });
  const HttpClient client(server.url(), kLong);
  const auto response = client.send({}, [](std::string_view) { return false; });
  EXPECT_EQ(response.status, 200);
}

TEST(HttpClient, PassesOnWhatTheReceiverThrows) {
  HttpServer server({});
  server.route("GET", "/", [](const ServerRequest&) {
    return ServerResponse{200, "x", "text/plain", {}, {}};
  });
  server.start();
  const auto throwing = [](std::string_view) -> bool { throw std::range_error("mine"); };
  EXPECT_THAT([&] { (void)HttpClient(server.url()).send({}, throwing); },
              Throws<std::range_error>());
}

TEST(HttpClient, EndsWhenItIsInterrupted) {
  std::promise<void> asked;
  const RawServer server([&](int fd) {
    receive_head(fd);
    asked.set_value();
    wait_for_close(fd);
  });
  std::thread user([&] {
    asked.get_future().wait();
    set_interrupted(true);
  });
  EXPECT_THROW(get(server.url(), kLong), Interrupted);
  user.join();
  EXPECT_THROW(get(server.url()), Interrupted) << "a new request must not begin either";
  set_interrupted(false);
}

TEST(HttpClient, SurvivesAServerThatClosesWhileItIsWrittenTo) {
  const RawServer server([](int) {});
  const std::string body(4u << 20, 'x');
  EXPECT_THAT(
      [&] {
        (void)HttpClient(server.url()).send({"POST", "/", {}, body, "text/plain", false});
      },
      unavailable("closed the connection"));
}

TEST(HttpClient, GivesStatusOfAnAnswerWithoutBody) {
  const RawServer server([](int fd) {
    receive_head(fd);
    send_all(fd, "HTTP/1.1 204 No Content\r\n\r\n");
  });
  EXPECT_EQ(HttpClient(server.url(), kLong).send({}).status, 204);
}

}  // namespace
}  // namespace crayon
