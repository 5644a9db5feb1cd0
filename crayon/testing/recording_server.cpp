#include "crayon/testing/recording_server.h"

#include <fmt/format.h>

#include <mutex>

#include "crayon/http/server.h"

namespace crayon {

struct RecordingServer::Impl {
  explicit Impl(std::string r) : reply(std::move(r)), http(HttpServerOptions{}) {
    http.route("GET", "/v1/models", [this](const ServerRequest& request) {
      write_down(request);
      return ServerResponse{.body = R"({"data":[{"id":"big"}]})"};
    });
    http.route("POST", "/v1/chat/completions", [this](const ServerRequest& request) {
      write_down(request);
      return answer(request);
    });
    http.start();
  }

  void write_down(const ServerRequest& request) {
    std::string all = request.method + " " + request.path + "\n";
    for (const auto& [name, value] : request.headers) all += name + ": " + value + "\n";
    const std::lock_guard lock(mutex);
    heard.push_back(all + request.body);
  }

  [[nodiscard]] ServerResponse answer(const ServerRequest& request) const {
    constexpr const char* kUsage =
        R"("usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6})";
    const std::string text = fmt::format(R"({{"role":"assistant","content":"{}"}})", reply);
    if (request.body.find("\"stream\":true") == std::string::npos) {
      return {.body = fmt::format(R"({{"model":"big","choices":[{{"index":0,"message":{},)"
                                  R"("finish_reason":"stop"}}],{}}})",
                                  text, kUsage)};
    }
    ServerResponse response;
    response.stream = [text, kUsage](const SendEvent& send) {
      send(fmt::format(R"({{"model":"big","choices":[{{"index":0,"delta":{},)"
                       R"("finish_reason":"stop"}}],{}}})",
                       text, kUsage));
      send("[DONE]");
    };
    return response;
  }

  const std::string reply;
  mutable std::mutex mutex;
  std::vector<std::string> heard;  // guarded by mutex
  HttpServer http;
};

RecordingServer::RecordingServer(std::string reply)
    : impl_(std::make_unique<Impl>(std::move(reply))) {}

RecordingServer::~RecordingServer() = default;

std::string RecordingServer::url() const { return impl_->http.url(); }

std::vector<std::string> RecordingServer::heard() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->heard;
}

void RecordingServer::forget() {
  const std::lock_guard lock(impl_->mutex);
  impl_->heard.clear();
}

}  // namespace crayon
