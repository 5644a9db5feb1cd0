#include "crayon/remote/remote.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "crayon/base/error.h"
#include "crayon/remote/internal/wire.h"

namespace crayon {
namespace {

bool is_version(std::string_view segment) {
  return segment.size() >= 2 && segment[0] == 'v' && segment[1] >= '0' && segment[1] <= '9';
}

// "http://h" and "http://h/v1/" both give "http://h/v1"; "http://h/v1beta/openai" stays.
std::string with_version(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  const auto scheme = url.find("://");
  auto slash = scheme == std::string::npos ? scheme : url.find('/', scheme + 3);
  while (slash != std::string::npos) {
    const auto next = url.find('/', slash + 1);
    if (is_version(std::string_view(url).substr(slash + 1, next - slash - 1))) return url;
    slash = next;
  }
  return url + "/v1";
}

struct Refusal {
  ErrorCode code;
  const char* meaning;
};

Refusal refusal(int status) {
  switch (status) {
    case 400:
    case 413:
    case 422:
      return {ErrorCode::InvalidArgument, "the server refuses the request"};
    case 401:
    case 403:
      return {ErrorCode::Unavailable, "the server refuses the key; check the key, or give one"};
    case 404:
      return {ErrorCode::NotFound, "no such model or path; check --server-model and --server-url"};
    case 429:
      return {ErrorCode::Unavailable, "too many requests, or the quota is spent; try later"};
    default:
      return {ErrorCode::Unavailable, "the server failed; try later"};
  }
}

// An answer with a status other than 2xx.
struct Refused : Error {
  Refused(ErrorCode code, const std::string& message, int answered)
      : Error(code, message), status(answered) {}
  int status;
};

void check_status(const HttpResponse& response, const std::string& origin,
                  const std::vector<std::string_view>& sent = {}) {
  if (response.status / 100 == 2) return;
  const auto [code, meaning] = refusal(response.status);
  const auto said = wire::error_message(response.body, sent);
  throw Refused(code,
                fmt::format("{}: {} (status {}{}{})", origin, meaning, response.status,
                            said.empty() ? "" : ", it says: ", said),
                response.status);
}

}  // namespace

struct Remote::Learnt {
  std::mutex mutex;
  std::string first_model;  // guarded by mutex; "" until it was asked for
  std::atomic<bool> refuses_log_probs = false;
};

Remote::Remote(RemoteOptions options)
    : options_(std::move(options)),
      http_(with_version(options_.url), options_.timeouts),
      learnt_(std::make_shared<Learnt>()) {}

HttpRequest Remote::request(const std::string& method, const std::string& path,
                            std::string body) const {
  HttpRequest request{.method = method, .path = path, .body = std::move(body)};
  if (!options_.key.empty()) request.headers["Authorization"] = "Bearer " + options_.key;
  return request;
}

std::string Remote::model() {
  if (!options_.model.empty()) return options_.model;
  const std::lock_guard lock(learnt_->mutex);
  if (learnt_->first_model.empty()) {
    const auto names = models();
    if (names.empty() || names.front().empty()) {
      throw Error(ErrorCode::NotFound,
                  http_.origin() + ": the server lists no model; name one with --server-model");
    }
    learnt_->first_model = names.front();
  }
  return learnt_->first_model;
}

std::vector<std::string> Remote::models() {
  const auto response = http_.send(request("GET", "/models"));
  check_status(response, http_.origin());
  return wire::parse_models(response.body, http_.origin());
}

RemoteAnswer Remote::send(const wire::Ask& ask, const OnText& on_text) {
  const auto& origin = http_.origin();
  const auto sent = wire::texts_of(ask);
  const auto asked = request("POST", ask.messages == nullptr ? "/completions" : "/chat/completions",
                             request_body(ask));
  if (!on_text) {
    const auto response = http_.send(asked);
    check_status(response, origin, sent);
    return wire::parse_answer(response.body, origin);
  }
  wire::StreamReader reader(origin, sent);
  SseParser parser;
  bool cancelled = false;
  bool inside = false;  // an event is being worked on: what is thrown then is not the connection's
  const auto on_event = [&](std::string_view data) {
    inside = true;
    const auto piece = reader.take(data);
    if (!piece.empty()) cancelled = !on_text(piece);
    inside = false;
    return !cancelled && !reader.done();
  };
  try {
    const auto response =
        http_.send(asked, [&](std::string_view bytes) { return parser.feed(bytes, on_event); });
    check_status(response, origin, sent);
  } catch (const Error&) {
    if (inside || reader.answer().finish_reason.empty()) throw;  // else the answer was whole
  }
  if (cancelled) reader.answer().finish_reason = "cancelled";
  if (!reader.done() && reader.answer().finish_reason.empty()) {
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: the streamed answer broke off after {} bytes of text", origin,
                            reader.answer().text.size()));
  }
  return std::move(reader.answer());
}

// Some hosted models take no log-probs; they are a help here, never a need. Servers refuse them in
// many words, so the same request without them shows whether they were the reason.
RemoteAnswer Remote::ask(wire::Ask ask, const OnText& on_text) {
  ask.model = model();
  ask.stream = static_cast<bool>(on_text);
  if (learnt_->refuses_log_probs) ask.options.top_log_probs = 0;
  std::exception_ptr first;
  try {
    return send(ask, on_text);
  } catch (const Refused& refused) {
    const bool at_fault = refused.status == 400 || refused.status == 422;
    if (!at_fault || ask.options.top_log_probs == 0) throw;
    first = std::current_exception();
  }
  ask.options.top_log_probs = 0;
  try {
    auto answer = send(ask, on_text);
    learnt_->refuses_log_probs = true;
    return answer;
  } catch (const Refused&) {
    std::rethrow_exception(first);
  }
}

RemoteAnswer Remote::chat(const std::vector<ChatMessage>& messages, const ChatOptions& options,
                          const OnText& on_text) {
  return ask({.model = {}, .messages = &messages, .prompt = {}, .options = options}, on_text);
}

RemoteAnswer Remote::complete(const std::string& prompt, const ChatOptions& options,
                              const OnText& on_text) {
  return ask({.model = {}, .messages = nullptr, .prompt = prompt, .options = options}, on_text);
}

}  // namespace crayon
