#include "crayon/remote/internal/breaker.h"

#include <algorithm>

namespace crayon {

Breaker::Pass::~Pass() {
  if (breaker_ != nullptr) breaker_->abandoned(probe_);
}

void Breaker::Pass::good() {
  if (breaker_ != nullptr) breaker_->succeeded();
  breaker_ = nullptr;
}

void Breaker::Pass::bad(Time now) {
  if (breaker_ != nullptr) breaker_->failed(probe_, now);
  breaker_ = nullptr;
}

std::optional<Breaker::Pass> Breaker::enter(Time now, Time lost_at) {
  const std::lock_guard lock(mutex_);
  if (now < until_) return std::nullopt;
  if (failures_ < options_.failures) return Pass(*this, 0);
  if (probe_ != 0 && now < probe_lost_at_) return std::nullopt;
  probe_ = ++probes_;
  probe_lost_at_ = lost_at;
  return Pass(*this, probe_);
}

void Breaker::hold(Time until) {
  const std::lock_guard lock(mutex_);
  until_ = std::max(until_, until);
}

Breaker::Time Breaker::rests_until() {
  const std::lock_guard lock(mutex_);
  return until_;
}

int Breaker::failures() {
  const std::lock_guard lock(mutex_);
  return failures_;
}

void Breaker::succeeded() {
  const std::lock_guard lock(mutex_);
  failures_ = 0;
  rests_ = 0;
  probe_ = 0;
}

void Breaker::failed(std::uint64_t probe, Time now) {
  const std::lock_guard lock(mutex_);
  failures_ = std::min(failures_ + 1, options_.failures);
  if (failures_ < options_.failures) return;
  const bool was_probe = probe != 0 && probe == probe_;
  // A call from before the rest that fails now says nothing new.
  if (rests_ > 0 && !was_probe) return;
  probe_ = 0;
  const auto longest = std::chrono::duration<double>(options_.longest_rest);
  auto rest = std::chrono::duration<double>(options_.first_rest);
  for (int i = 0; i < rests_ && rest < longest; ++i) rest *= 2;
  rest = std::min(rest, longest) * (0.9 + 0.2 * rng_.uniform());
  ++rests_;
  until_ = std::max(until_, now + std::chrono::duration_cast<Time::duration>(rest));
}

void Breaker::abandoned(std::uint64_t probe) {
  const std::lock_guard lock(mutex_);
  if (probe != 0 && probe == probe_) probe_ = 0;
}

}  // namespace crayon
