#include "crayon/remote/remote.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <thread>

#include "crayon/base/clock.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/log.h"
#include "crayon/remote/internal/endpoint.h"
#include "crayon/remote/internal/retry.h"
#include "crayon/remote/internal/round.h"

namespace crayon {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

milliseconds until(Clock::time_point time) {
  return std::max(std::chrono::ceil<milliseconds>(time - Clock::now()), milliseconds(0));
}

// One server's place in a call.
struct Place {
  int turns = 0;
  bool over = false;         // not to be asked again in this call
  Clock::time_point from{};  // not before this
  std::optional<Failure> failure{};
};

RemoteAnswer cancelled_answer(RemoteAnswer answer = {}) {
  answer.finish_reason = "cancelled";
  return answer;
}

// One question on its way through the servers.
class Call {
 public:
  Call(const RemoteOptions& options, const std::vector<std::shared_ptr<Endpoint>>& servers,
       const wire::Ask& ask, const RemoteHooks& hooks)
      : options_(options),
        servers_(servers),
        ask_(ask),
        hooks_(hooks),
        deadline_(Clock::now() + options.timeouts.total),
        places_(servers.size()),
        rng_(std::random_device()()) {}

  RemoteAnswer run() {
    for (int round = 1;; ++round) {
      for (std::size_t i = 0; i < servers_.size(); ++i) {
        if (auto answer = visit(i, round)) return std::move(*answer);
      }
      if (!wait_for_next_round(round)) return cancelled_answer();
    }
  }

 private:
  // None: the next server is to be asked.
  std::optional<RemoteAnswer> visit(std::size_t i, int round) {
    Place& place = places_[i];
    if (place.over || Clock::now() < place.from) return {};
    if (Clock::now() >= deadline_) {
      leave(i, Failure{.error = too_late(i)});
      return {};
    }
    auto pass = servers_[i]->breaker().enter(Clock::now(), deadline_ + std::chrono::seconds(1));
    if (!pass) {
      leave(i, Failure{.error = left_alone(i)});
      return {};
    }
    return take_turn(i, round, *pass);
  }

  std::optional<RemoteAnswer> take_turn(std::size_t i, int round, Breaker::Pass& pass) {
    Endpoint& server = *servers_[i];
    Place& place = places_[i];
    const auto start = Clock::now();
    Turn turn{.hooks = hooks_,
              .intent = {.server = i,
                         .origin = server.origin(),
                         .model = {},
                         .price = server.price(),
                         .attempt = opened_},
              .deadline = deadline_,
              .first_text = first_text(i, start),
              .timeouts = options_.timeouts};
    turn.on_refused = [&](const Refused& refused) {
      report(turn, {}, start, refused.what(), refused.status());
    };
    ++place.turns;
    std::optional<RemoteAnswer> answer;
    try {
      answer = server.ask(ask_, turn);
      if (answer->finish_reason != "cancelled" || turn.spoke) pass.good();
    } catch (...) {
      place.failure = failed(turn, pass, start);
    }
    opened_ = turn.intent.attempt;
    if (!answer) {
      if (turn.spoke) throw place.failure->error;
      plan(i, round);
      return {};
    }
    answer->server = i;
    answer->cost = cost(server.price(), answer->prompt_tokens, answer->completion_tokens);
    report(turn, *answer, start, {}, 0);
    return answer;
  }

  // Called while the exception is handled.
  Failure failed(Turn& turn, Breaker::Pass& pass, Clock::time_point start) {
    std::optional<Failure> failure;
    try {
      failure = read_failure(std::current_exception(), turn);
    } catch (...) {  // not the server's doing
      report(turn, turn.so_far, start, "ended by the caller", 0);
      throw;
    }
    if (failure->alive) pass.good();
    if (failure->counts) pass.bad(Clock::now());
    if (failure->asked_wait && failure->again) {
      servers_[turn.intent.server]->breaker().hold(Clock::now() + *failure->asked_wait);
    }
    report(turn, turn.so_far, start, failure->error.what(), failure->status);
    return std::move(*failure);
  }

  // Whether and when the server that failed is asked again.
  void plan(std::size_t i, int round) {
    Place& place = places_[i];
    const Failure& failure = *place.failure;
    place.over = !failure.again || round > options_.retry.retries;
    if (place.over) return;
    const auto wait = wait_before(round, options_.retry, failure.asked_wait, rng_);
    place.from = Clock::now() + wait;
    // A turn needs some time of its own to be worth the wait.
    const auto least = std::min(milliseconds(1000), options_.timeouts.total / 10);
    place.over = place.from + least > deadline_;
  }

  void leave(std::size_t i, Failure failure) {
    Place& place = places_[i];
    place.over = true;
    if (!place.failure) place.failure = std::move(failure);
  }

  // False when the caller cancelled. Throws when no server is left.
  bool wait_for_next_round(int round) {
    auto next = Clock::time_point::max();
    for (const Place& place : places_) {
      if (!place.over) next = std::min(next, place.from);
    }
    if (next == Clock::time_point::max()) give_up();
    log_debug(fmt::format("no server answered in round {}; the next one begins in {} ms", round,
                          until(next).count()));
    while (Clock::now() < next) {
      throw_if_interrupted();
      if (caller_cancelled(hooks_)) return false;
      std::this_thread::sleep_for(std::min(until(next), milliseconds(20)));
    }
    return true;
  }

  [[noreturn]] void give_up() {
    std::vector<Error> errors;
    bool all_withheld = true;
    for (const Place& place : places_) {
      const std::string times =
          place.turns > 1 ? fmt::format(" (asked {} times)", place.turns) : "";
      errors.emplace_back(place.failure->error.code(), place.failure->error.what() + times);
      all_withheld = all_withheld && place.failure->withheld;
    }
    if (all_withheld) throw MustStay(places_.front().failure->error.what(), false);
    throw joined(errors);
  }

  // Servers behind this one get an even part of the time that is left.
  Clock::time_point first_text(std::size_t i, Clock::time_point now) const {
    int behind = 0;
    for (std::size_t k = i + 1; k < places_.size(); ++k) behind += places_[k].over ? 0 : 1;
    return behind == 0 ? Clock::time_point::max() : now + (deadline_ - now) / (behind + 1);
  }

  Error too_late(std::size_t i) const {
    return {ErrorCode::Unavailable,
            fmt::format("{}: not asked, as the {} ms for all servers were over",
                        servers_[i]->origin(), options_.timeouts.total.count())};
  }
  Error left_alone(std::size_t i) const {
    Breaker& breaker = servers_[i]->breaker();
    const auto rest = until(breaker.rests_until());
    return {ErrorCode::Unavailable,
            fmt::format("{}: not asked, as it {}; it is tried again {}", servers_[i]->origin(),
                        breaker.failures() >= options_.breaker.failures ? "kept failing"
                                                                        : "asked to be left alone",
                        rest.count() > 0 ? fmt::format("in {} ms", rest.count())
                                         : "by another request just now")};
  }

  void report(const Turn& turn, const RemoteAnswer& answer, Clock::time_point start,
              const std::string& error, int status) const {
    if (!error.empty()) log_debug(error);
    if (!hooks_.on_attempt) return;
    const Price& price = turn.intent.price;
    hooks_.on_attempt({.server = turn.intent.server,
                       .origin = turn.intent.origin,
                       .model = turn.intent.model,
                       .sent = turn.sent,
                       .error = error,
                       .status = status,
                       .prompt_tokens = answer.prompt_tokens,
                       .completion_tokens = answer.completion_tokens,
                       .usage_reported = answer.usage_reported,
                       .cost = cost(price, answer.prompt_tokens, answer.completion_tokens),
                       .seconds = seconds_since(start)});
  }

  const RemoteOptions& options_;
  const std::vector<std::shared_ptr<Endpoint>>& servers_;
  const wire::Ask& ask_;
  const RemoteHooks& hooks_;
  Clock::time_point deadline_;
  std::vector<Place> places_;
  int opened_ = 0;
  Rng rng_;
};

RemoteHooks streaming(const OnText& on_text) {
  return {.on_text = on_text, .may_send = {}, .on_attempt = {}, .cancelled = {}};
}

}  // namespace

double cost(const Price& price, int prompt_tokens, int completion_tokens) {
  return (price.prompt * prompt_tokens + price.completion * completion_tokens) / 1e6;
}

Remote::Remote(RemoteOptions options) : options_(std::move(options)) {
  if (options_.servers.empty()) {
    throw Error(ErrorCode::InvalidArgument, "no server is named; expected the URL of at least one");
  }
  for (const RemoteServer& server : options_.servers) {
    servers_.push_back(std::make_shared<Endpoint>(server, options_));
  }
}

Remote::Remote(RemoteServer only, HttpTimeouts timeouts)
    : Remote([&] {
        RemoteOptions options;
        options.servers.push_back(std::move(only));
        options.timeouts = timeouts;
        return options;
      }()) {}

RemoteAnswer Remote::call(const wire::Ask& ask, const RemoteHooks& hooks) {
  return Call(options_, servers_, ask, hooks).run();
}

std::vector<std::string> Remote::models(const RemoteHooks& hooks) {
  const auto deadline = Clock::now() + options_.timeouts.total;
  std::vector<Error> errors;
  bool all_withheld = true;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const auto now = Clock::now();
    const auto left = static_cast<int>(servers_.size() - i);
    const auto part = left == 1 ? Clock::time_point::max() : now + (deadline - now) / left;
    Turn turn{.hooks = hooks,
              .intent = {.server = i,
                         .origin = servers_[i]->origin(),
                         .model = {},
                         .price = servers_[i]->price()},
              .deadline = deadline,
              .first_text = part,
              .timeouts = options_.timeouts};
    try {
      return servers_[i]->models(turn);
    } catch (const MustStay& stay) {
      if (stay.check_failed()) throw;
      errors.push_back(stay);
    } catch (const Error& error) {
      errors.push_back(error);
      all_withheld = false;
    }
  }
  if (all_withheld) throw MustStay(errors.front().what(), false);
  throw joined(errors);
}

RemoteAnswer Remote::chat(const std::vector<ChatMessage>& messages, const ChatOptions& options,
                          const RemoteHooks& hooks) {
  return call({.model = {},
               .messages = &messages,
               .prompt = {},
               .options = options,
               .stream = static_cast<bool>(hooks.on_text)},
              hooks);
}

RemoteAnswer Remote::chat(const std::vector<ChatMessage>& messages, const ChatOptions& options,
                          const OnText& on_text) {
  return chat(messages, options, streaming(on_text));
}

RemoteAnswer Remote::complete(const std::string& prompt, const ChatOptions& options,
                              const RemoteHooks& hooks) {
  return call({.model = {},
               .messages = nullptr,
               .prompt = prompt,
               .options = options,
               .stream = static_cast<bool>(hooks.on_text)},
              hooks);
}

RemoteAnswer Remote::complete(const std::string& prompt, const ChatOptions& options,
                              const OnText& on_text) {
  return complete(prompt, options, streaming(on_text));
}

}  // namespace crayon
