// One server: a question asked of it once, and what was learnt of it so far.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "crayon/http/client.h"
#include "crayon/remote/internal/breaker.h"
#include "crayon/remote/internal/wire.h"
#include "crayon/remote/remote.h"

namespace crayon {

/// An answer with a status other than 2xx.
class Refused : public Error {
 public:
  Refused(ErrorCode code, const std::string& message, int status,
          std::optional<std::chrono::milliseconds> retry_after)
      : Error(code, message), status_(status), retry_after_(retry_after) {}
  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] std::optional<std::chrono::milliseconds> retry_after() const noexcept {
    return retry_after_;
  }

 private:
  int status_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

/// One turn of one server in a call: its time, and what came of it.
struct Turn {
  using Clock = std::chrono::steady_clock;

  const RemoteHooks& hooks;
  SendIntent intent;
  Clock::time_point deadline;    ///< Of the whole call.
  Clock::time_point first_text;  ///< When others want their time, unless text came by then.
  HttpTimeouts timeouts;         ///< As configured; cut to the deadline for each request.

  bool sent = false;                  ///< Bytes of the question may have left.
  bool caller_threw = false;          ///< What was thrown came from the caller's on_text.
  std::atomic<bool> spoke = false;    ///< Text was given to the caller.
  std::atomic<bool> late = false;     ///< `first_text` passed.
  std::atomic<bool> gave_up = false;  ///< The caller cancelled.
  RemoteAnswer so_far{};              ///< Of a stream that broke off: its usage.
  /// Hears of a request that was refused and is made again without an extra; may be empty.
  std::function<void(const Refused&)> on_refused{};
};

/// Asks the caller whether to end the call; a question that throws says yes.
[[nodiscard]] bool caller_cancelled(const RemoteHooks& hooks);

/// Safe to use from several threads.
class Endpoint {
 public:
  /// @throws Error  as Remote's constructor
  Endpoint(const RemoteServer& server, const RemoteOptions& options);

  [[nodiscard]] const std::string& origin() const { return http_.origin(); }
  [[nodiscard]] Breaker& breaker() { return breaker_; }
  [[nodiscard]] const Price& price() const { return price_; }

  /// Asks once, with at most a few further requests where the server refuses an extra of ours
  /// (log-probs, usage in a stream) or is asked for its models. finish_reason "cancelled" when the
  /// caller cancelled.
  /// @throws Refused, HttpError, MustStay, Error CorruptFile, Unavailable, NotFound
  [[nodiscard]] RemoteAnswer ask(wire::Ask ask, Turn& turn);
  [[nodiscard]] std::vector<std::string> models(Turn& turn);

 private:
  [[nodiscard]] std::string model(Turn& turn);
  [[nodiscard]] HttpRequest request(const std::string& method, const std::string& path,
                                    std::string body, const Turn& turn) const;
  [[nodiscard]] HttpResponse send(const HttpRequest& request, Turn& turn, const OnBody& on_body);
  [[nodiscard]] RemoteAnswer ask_once(const wire::Ask& ask, Turn& turn);
  void check_status(const HttpResponse& response,
                    const std::vector<std::string_view>& sent = {}) const;

  std::string model_;
  std::string key_;
  Price price_;
  HttpClient http_;
  Breaker breaker_;
  std::mutex mutex_;
  std::string first_model_;  // guarded by mutex_; "" until it was asked for
  /// What the server is known of: it did without, or it took it, so a refusal has other reasons.
  struct Extra {
    std::atomic<bool> refused = false;
    std::atomic<bool> taken = false;
  };
  Extra log_probs_;  // see ask()
  Extra usage_;
};

}  // namespace crayon
