#include "crayon/remote/internal/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <random>

#include "crayon/base/interrupt.h"
#include "crayon/remote/internal/answer_stream.h"
#include "crayon/remote/internal/retry.h"

namespace crayon {
namespace {

using std::chrono::milliseconds;

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

// The time for one request: as configured, but never beyond the call's deadline.
HttpTimeouts cut(HttpTimeouts timeouts, Turn::Clock::time_point deadline) {
  const auto left =
      std::max(std::chrono::ceil<milliseconds>(deadline - Turn::Clock::now()), milliseconds(1));
  return {.connect = std::min(timeouts.connect, left),
          .first_byte = std::min(timeouts.first_byte, left),
          .total = std::min(timeouts.total, left)};
}

// The last check before a socket opens. Whatever fails in it means that the call must stay.
void check_may_send(Turn& turn) {
  if (turn.hooks.may_send) {
    SendVerdict verdict;
    try {
      verdict = turn.hooks.may_send(turn.intent);
    } catch (const Interrupted&) {
      throw;
    } catch (...) {  // its own words may hold the user's text
      throw MustStay("a check of what may leave this device failed, so the question stays here",
                     true);
    }
    if (!verdict.may) {
      throw MustStay(
          verdict.reason.empty() ? "the question may not leave this device" : verdict.reason,
          false);
    }
  }
  ++turn.intent.attempt;
}

}  // namespace

bool caller_cancelled(const RemoteHooks& hooks) {
  try {
    return hooks.cancelled && hooks.cancelled();
  } catch (...) {
    return true;
  }
}

Endpoint::Endpoint(const RemoteServer& server, const RemoteOptions& options)
    : model_(server.model),
      key_(server.key),
      price_(server.price),
      http_(with_version(server.url), HttpClientOptions{.timeouts = options.timeouts,
                                                        .max_body_bytes = options.max_answer_bytes,
                                                        .ca_file = server.ca_file,
                                                        .look_up = options.look_up}),
      breaker_(options.breaker, std::random_device()()) {}

HttpRequest Endpoint::request(const std::string& method, const std::string& path, std::string body,
                              const Turn& turn) const {
  HttpRequest request{.method = method, .path = path, .body = std::move(body)};
  if (!key_.empty()) request.headers["Authorization"] = "Bearer " + key_;
  request.follow_same_origin = true;
  request.timeouts = cut(turn.timeouts, turn.deadline);
  return request;
}

HttpResponse Endpoint::send(const HttpRequest& request, Turn& turn, const OnBody& on_body) {
  HttpHooks hooks;
  hooks.on_body = on_body;
  hooks.before_connect = [&turn] { check_may_send(turn); };
  hooks.cancelled = [&turn] {
    if (!turn.spoke && Turn::Clock::now() >= turn.first_text) turn.late = true;
    if (caller_cancelled(turn.hooks)) turn.gave_up = true;
    return turn.late || turn.gave_up;
  };
  auto response = http_.send(request, hooks);
  if (response.cancelled && turn.late && !turn.spoke) {
    throw HttpError(origin() + ": too slow to leave time for the servers behind it",
                    HttpStage::Unanswered);
  }
  return response;
}

void Endpoint::check_status(const HttpResponse& response,
                            const std::vector<std::string_view>& sent) const {
  if (response.status / 100 == 2) return;
  const auto [code, meaning] = refusal(response.status);
  const auto said = wire::error_message(response.body, sent);
  throw Refused(code,
                fmt::format("{}: {} (status {}{}{})", origin(), meaning, response.status,
                            said.empty() ? "" : ", it says: ", said),
                response.status, retry_after(response.headers, std::chrono::system_clock::now()));
}

std::vector<std::string> Endpoint::models(Turn& turn) {
  const auto response = send(request("GET", "/models", {}, turn), turn, {});
  if (response.cancelled) return {};
  check_status(response, {key_});
  return wire::parse_models(response.body, origin());
}

std::string Endpoint::model(Turn& turn) {
  if (!model_.empty()) return model_;
  {
    const std::lock_guard lock(mutex_);
    if (!first_model_.empty()) return first_model_;
  }
  const auto names = models(turn);
  if (turn.gave_up) return {};
  if (names.empty() || names.front().empty()) {
    throw Error(ErrorCode::NotFound,
                origin() + ": the server lists no model; name one with --server-model");
  }
  const std::lock_guard lock(mutex_);
  first_model_ = names.front();
  return first_model_;
}

RemoteAnswer Endpoint::ask_once(const wire::Ask& ask, Turn& turn) {
  auto sent = wire::texts_of(ask);
  sent.push_back(key_);
  const auto asked = request("POST", ask.messages == nullptr ? "/completions" : "/chat/completions",
                             request_body(ask), turn);
  AnswerStream stream(origin(), sent, [&turn](std::string_view piece) {
    turn.spoke = true;
    return turn.hooks.on_text(piece);
  });
  OnBody on_body;
  if (ask.stream) on_body = [&](std::string_view bytes) { return stream.feed(bytes); };
  const int opened = turn.intent.attempt;
  try {
    const auto response = send(asked, turn, on_body);
    turn.sent = true;
    if (turn.gave_up && response.cancelled && !stream.whole()) {
      stream.so_far().finish_reason = "cancelled";
      return std::move(stream.so_far());
    }
    check_status(response, sent);
    return ask.stream ? stream.finish() : wire::parse_answer(response.body, origin());
  } catch (const HttpError& error) {
    turn.sent = turn.sent || error.stage() != HttpStage::Unsent;
    if (stream.whole() && !stream.in_caller()) return std::move(stream.so_far());
    turn.so_far = std::move(stream.so_far());
    throw;
  } catch (...) {
    turn.sent = turn.sent || turn.intent.attempt > opened;
    turn.caller_threw = stream.in_caller();
    turn.so_far = std::move(stream.so_far());
    throw;
  }
}

// Some servers take no log-probs, some no `stream_options`; both are a help here, never a need.
// Servers refuse them in many words, so the same request without them shows whether they were the
// reason.
RemoteAnswer Endpoint::ask(wire::Ask ask, Turn& turn) {
  ask.model = model(turn);
  if (ask.model.empty()) {  // cancelled while it was asked for
    turn.so_far.finish_reason = "cancelled";
    return std::move(turn.so_far);
  }
  turn.intent.model = ask.model;
  const auto wanted = [](bool extra, const Extra& known) { return extra && !known.refused; };
  bool log_probs = wanted(ask.options.top_log_probs > 0, log_probs_);
  bool usage = wanted(ask.stream, usage_);
  std::exception_ptr first;
  for (;;) {
    wire::Ask plainer = ask;
    if (!log_probs) plainer.options.top_log_probs = 0;
    plainer.usage = usage;
    try {
      auto answer = ask_once(plainer, turn);
      const auto learn = [](bool extra, bool sent, Extra& known) {
        if (sent) known.taken = true;
        if (extra && !sent) known.refused = true;
      };
      learn(ask.options.top_log_probs > 0, log_probs, log_probs_);
      learn(ask.stream, usage, usage_);
      return answer;
    } catch (const Refused& refused) {
      if (refused.status() != 400 && refused.status() != 422) throw;
      if (!first) first = std::current_exception();
      if (log_probs && !log_probs_.taken) {
        log_probs = false;
      } else if (usage && !usage_.taken) {
        usage = false;
      } else {
        std::rethrow_exception(first);
      }
      if (turn.on_refused) turn.on_refused(refused);
      turn.sent = false;  // of the next request nothing is
      turn.so_far = {};
    }
  }
}

}  // namespace crayon
