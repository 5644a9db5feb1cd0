// Leaves a server alone that keeps failing, so that calls do not wait for it: after some failures
// in a row it is not asked for a while, then one call probes it while the others still pass it by.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>

#include "crayon/base/random.h"
#include "crayon/remote/remote.h"

namespace crayon {

/// Safe to use from several threads.
class Breaker {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// @param seed  of the spread of the rests (90 to 110 %)
  Breaker(BreakerOptions options, std::uint64_t seed) : options_(options), rng_(seed) {}

  /// Leave to ask the server once. Ends without a verdict when it is neither called good nor bad: a
  /// caller who gave up says nothing of the server. Borrows the breaker.
  class Pass {
   public:
    Pass(Breaker& breaker, std::uint64_t probe) : breaker_(&breaker), probe_(probe) {}
    Pass(Pass&& other) noexcept : breaker_(other.breaker_), probe_(other.probe_) {
      other.breaker_ = nullptr;
    }
    Pass& operator=(Pass&&) = delete;
    ~Pass();
    void good();
    void bad(Time now);

   private:
    Breaker* breaker_;  // null once the verdict is given
    std::uint64_t probe_;
  };

  /// None while the server is left alone.
  /// @param lost_at  when a probe that has said nothing may be taken for lost
  [[nodiscard]] std::optional<Pass> enter(Time now, Time lost_at);
  /// The server asked to be left alone until then.
  void hold(Time until);
  /// When it may be asked again; `now` or earlier: now, or when the probe under way ends.
  [[nodiscard]] Time rests_until();
  /// Failures in a row so far.
  [[nodiscard]] int failures();

 private:
  void succeeded();
  void failed(std::uint64_t probe, Time now);
  void abandoned(std::uint64_t probe);

  BreakerOptions options_;
  std::mutex mutex_;  // guards the rest
  Rng rng_;
  int failures_ = 0;
  int rests_ = 0;            // in a row: how often the rest is doubled
  Time until_{};             // end of the rest, or of what the server asked for
  std::uint64_t probe_ = 0;  // 0: none under way
  std::uint64_t probes_ = 0;
  Time probe_lost_at_{};
};

}  // namespace crayon
