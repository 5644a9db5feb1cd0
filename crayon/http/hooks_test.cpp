// What a caller may do to a request under way, and what is refused of an answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "crayon/base/error.h"
#include "crayon/http/client.h"
#include "crayon/http/internal/raw_socket_for_tests.h"
#include "crayon/http/internal/url.h"
#include "crayon/http/server.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Property;
using testing::Throws;

constexpr HttpTimeouts kLong{60s, 60s, 60s};

auto fails(const std::string& part, HttpStage stage, bool lasting) {
  return Throws<HttpError>(AllOf(Property(&Error::what, HasSubstr(part)),
                                 Property(&HttpError::stage, stage),
                                 Property(&HttpError::lasting, lasting)));
}

TEST(HttpHooks, TheLastCheckComesBeforeTheSocketAndStopsIt) {
  std::atomic<bool> connected = false;
  const RawServer server([&](int) { connected = true; });
  HttpHooks hooks;
  hooks.before_connect = [] { throw std::range_error("stay"); };
  EXPECT_THROW((void)HttpClient(server.url(), kLong).send({}, hooks), std::range_error);
  EXPECT_FALSE(connected);
}

TEST(HttpHooks, ACancelledRequestIsClosedAndSaysSo) {
  std::atomic<bool> asked = false;
  const RawServer server([&](int fd) {
    receive_head(fd);
    asked = true;
    (void)receive_all(fd);  // returns because the client closed
  });
  HttpHooks hooks;
  hooks.cancelled = [&] { return asked.load(); };
  const auto response = HttpClient(server.url(), kLong).send({}, hooks);
  EXPECT_TRUE(response.cancelled);
  EXPECT_EQ(response.status, 0);
}

TEST(HttpHooks, AQuestionThatThrowsCancels) {
  const RawServer server([](int fd) { (void)receive_all(fd); });
  HttpHooks hooks;
  hooks.cancelled = []() -> bool { throw std::range_error("no"); };
  EXPECT_TRUE(HttpClient(server.url(), kLong).send({}, hooks).cancelled);
}

TEST(HttpErrors, SayHowFarTheRequestHadCome) {
  std::string url;
  {
    const RawServer closed([](int) {});
    url = closed.url();
  }
  EXPECT_THAT([&] { (void)HttpClient(url, kLong).send({}); },
              fails("refused the connection", HttpStage::Unsent, false));
  const RawServer before([](int fd) { receive_head(fd); });
  EXPECT_THAT([&] { (void)HttpClient(before.url(), kLong).send({}); },
              fails("before it answered", HttpStage::Unanswered, false));
  const RawServer inside([](int fd) {
    receive_head(fd);
    send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  });
  EXPECT_THAT([&] { (void)HttpClient(inside.url(), kLong).send({}); },
              fails("inside its answer", HttpStage::Answering, false));
}

TEST(HttpErrors, RefuseACompressedBodyThatWasNotAskedFor) {
  const RawServer server([](int fd) {
    receive_head(fd);
    send_all(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc");
  });
  EXPECT_THAT([&] { (void)HttpClient(server.url(), kLong).send({}); },
              fails("compressed ('gzip')", HttpStage::Answering, true));
}

TEST(HttpRedirects, AreFollowedOnTheSameOriginOnlyWhereAsked) {
  HttpServer server({});
  server.route("POST", "/old", [](const ServerRequest&) {
    return ServerResponse{307, "", "text/plain", {{"Location", "/new"}}, {}};
  });
  server.route("POST", "/new", [](const ServerRequest& request) {
    return ServerResponse{200, request.body, "text/plain", {}, {}};
  });
  server.start();
  const HttpClient client(server.url(), kLong);
  HttpRequest request{.method = "POST", .path = "/old", .body = "{\"a\":1}"};
  EXPECT_THAT([&] { (void)client.send(request); },
              fails("points to '/new'", HttpStage::Answering, true));
  request.follow_same_origin = true;
  int sockets = 0;
  HttpHooks hooks;
  hooks.before_connect = [&] { ++sockets; };
  EXPECT_EQ(client.send(request, hooks).body, "{\"a\":1}");
  EXPECT_EQ(sockets, 2) << "the last check comes before each socket";
}

TEST(HttpRedirects, KnowWhatStaysOnAnOrigin) {
  const Url url = parse_url("https://Host.example/v1");
  EXPECT_EQ(path_on_same_origin(url, "/a?b#c"), "/a?b");
  EXPECT_EQ(path_on_same_origin(url, "https://host.example:443/a"), "/a");
  EXPECT_EQ(path_on_same_origin(url, "https://HOST.example"), "/");
  for (const std::string elsewhere :
       {"", "a", "//other/a", "http://host.example/a", "https://host.example:444/a",
        "https://host.example.evil/a", "https://u@host.example/a", "https://other/https://host",
        "javascript:x", "/a b", "/a\r\nX: y", "https://host.example@evil/", "https://"}) {
    EXPECT_FALSE(path_on_same_origin(url, elsewhere)) << elsewhere;
  }
}

TEST(HttpClientOptions, RefuseACaFileThatIsNone) {
  const auto make = [](const std::string& file) {
    return HttpClient("https://h", HttpClientOptions{.ca_file = file});
  };
  EXPECT_THAT([&] { make("/nonexistent/ca.pem"); },
              Throws<Error>(Property(&Error::code, ErrorCode::NotFound)));
  EXPECT_THAT([&] { make("/etc/hostname"); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
}

}  // namespace
}  // namespace crayon
