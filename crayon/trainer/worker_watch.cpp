#include "crayon/trainer/internal/worker_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

using namespace std::chrono_literals;

constexpr const char* kFailure = "failure";
constexpr const char* kLeft = "left";
constexpr const char* kGoOn =
    "the last checkpoint is kept: go on with --resume, on any number of workers";

std::string key(const char* kind, int rank) { return fmt::format("{}/{}", kind, rank); }

std::string encode(const WorkerFailure& failure) {
  return fmt::format("{} {} {}", failure.teller, failure.exit_status, failure.text);
}

/// What encode() has made; written by our own kind only, but bytes of a network all the same.
WorkerFailure decode(const std::string& text) {
  WorkerFailure failure{0, 1, text};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int* number : {&failure.teller, &failure.exit_status}) {
    const auto read = std::from_chars(at, end, *number);
    if (read.ec != std::errc() || read.ptr == end || *read.ptr != ' ') return {0, 1, text};
    at = read.ptr + 1;
  }
  failure.text.assign(at, end);
  return failure;
}

[[noreturn]] void raise(const WorkerFailure& failure) {
  if (failure.exit_status == 130) throw Interrupted();
  throw WorkerFailed(failure);
}

std::string who_we_are() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return fmt::format("process {} on {}", getpid(), host.data());
}

}  // namespace

WorkerWatch::WorkerWatch(const WorkerPlace& place, std::unique_ptr<SharedKeys> own,
                         std::unique_ptr<SharedKeys> beating, const WatchTimes& times)
    : place_(place),
      times_(times),
      keys_(std::move(own)),
      lives_(static_cast<std::size_t>(place.size), Life{0, Clock::now()}) {
  keys_->set_once(key("who", place_.rank), who_we_are());
  beating_ = std::jthread(
      [this, keys = std::move(beating)](const std::stop_token& stop) { beat(*keys, stop); });
}

/// The thread that gives signs of life. Where worker 0 is gone there is nobody to give them to.
void WorkerWatch::beat(SharedKeys& keys, const std::stop_token& stop) {
  std::int64_t told = 0;
  try {
    while (!stop.stop_requested()) {
      keys.add(key("beats", place_.rank), 1);
      const std::int64_t now = exchanges_;
      if (now != told) keys.add(key("exchanges", place_.rank), now - told);
      told = now;
      std::unique_lock lock(mutex_);
      stopped_.wait_for(lock, stop, times_.beat, [] { return false; });
    }
  } catch (const std::exception&) {
    return;
  }
}

void WorkerWatch::look() {
  looked_ = Clock::now();
  for (int rank = 0; rank < place_.size; ++rank) {
    const std::int64_t beats = keys_->add(key("beats", rank), 0);
    Life& life = lives_[static_cast<std::size_t>(rank)];
    if (beats != life.beats) life = {beats, looked_};
  }
}

std::optional<int> WorkerWatch::silent_worker(std::chrono::milliseconds limit) const {
  for (int rank = 0; rank < place_.size; ++rank) {
    if (rank == place_.rank) continue;
    if (looked_ - lives_[static_cast<std::size_t>(rank)].since > limit) return rank;
  }
  return std::nullopt;
}

void WorkerWatch::throw_if_told() {
  if (const auto told = keys_->get(kFailure)) raise(decode(*told));
}

std::string WorkerWatch::missing_at(const std::string& where) {
  std::vector<int> missing;
  for (int rank = 0; rank < place_.size; ++rank) {
    if (!keys_->get(key(where.c_str(), rank))) missing.push_back(rank);
  }
  return fmt::format("{}", fmt::join(missing, ", "));
}

void WorkerWatch::meet(const std::string& where, std::chrono::milliseconds limit) {
  try {
    keys_->set_once(key(where.c_str(), place_.rank), "here");
    const std::string count = where + "/count";
    const auto begin = Clock::now();
    for (std::int64_t here = keys_->add(count, 1); here < place_.size;
         here = keys_->add(count, 0)) {
      throw_if_told();
      throw_if_interrupted();
      std::this_thread::sleep_for(times_.poll);
      look();
      if (limit == 0ms) {
        if (const auto rank = silent_worker(times_.missing)) raise_dead(*rank, where);
      } else if (Clock::now() - begin > limit) {
        throw Error(ErrorCode::Unavailable,
                    fmt::format("workers {} of {} did not come within {:.0f} s; start all of them, "
                                "with the same MASTER_ADDR and MASTER_PORT",
                                missing_at(where), place_.size,
                                std::chrono::duration<double>(limit).count()));
      }
    }
  } catch (const WorkerFailed&) {
    throw;
  } catch (const Interrupted&) {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    raise_without_leader(error.what());
  }
}

void WorkerWatch::explain(const std::string& reason) {
  try {
    const auto end = Clock::now() + 2 * times_.dead + 2 * times_.beat;
    for (;;) {
      const bool last = Clock::now() > end;
      throw_if_told();
      look();
      if (const auto rank = silent_worker(times_.dead)) raise_dead(*rank, reason);
      if (last) raise_hanging(reason);
      std::this_thread::sleep_for(times_.poll);
    }
  } catch (const WorkerFailed&) {
    throw;
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {
    raise_without_leader(error.what());
  }
}

std::string WorkerWatch::name_of(int rank) {
  const auto who = keys_->get(key("who", rank));
  return fmt::format("worker {} of {}{}", rank, place_.size, who ? " (" + *who + ")" : "");
}

void WorkerWatch::tell_and_raise(int exit_status, const std::string& text) {
  raise(decode(keys_->set_once(kFailure, encode({place_.rank, exit_status, text}))));
}

void WorkerWatch::raise_dead(int rank, const std::string& reason) {
  tell_and_raise(info(ErrorCode::Unavailable).exit_status,
                 fmt::format("{} died or cannot be reached: no sign of life for more than {:.0f} s "
                             "({}); all workers end; {}",
                             name_of(rank), std::chrono::duration<double>(times_.dead).count(),
                             reason, kGoOn));
}

void WorkerWatch::raise_hanging(const std::string& reason) {
  std::int64_t least = INT64_MAX, most = 0;
  int behind = 0;
  for (int rank = 0; rank < place_.size; ++rank) {
    const std::int64_t count = keys_->add(key("exchanges", rank), 0);
    if (count < least) behind = rank;
    least = std::min(least, count);
    most = std::max(most, count);
  }
  const std::string what =
      least < most
          ? fmt::format("{} hangs: it has begun {} exchanges, others {}", name_of(behind), least,
                        most)
          : fmt::format("all {} workers live, but the network between them broke", place_.size);
  tell_and_raise(info(ErrorCode::Unavailable).exit_status,
                 fmt::format("{} ({}); all workers end; {}", what, reason, kGoOn));
}

/// Nothing can be shared any more: the first worker left on each machine says so.
void WorkerWatch::raise_without_leader(const std::string& reason) const {
  const int first = place_.local_size == 1 ? place_.rank : place_.rank - place_.local_rank;
  throw WorkerFailed(
      {first == 0 ? 1 : first, info(ErrorCode::Unavailable).exit_status,
       fmt::format("worker 0 of {}, which leads, died or cannot be reached ({}); all "
                   "workers end; {}",
                   place_.size, reason.substr(0, reason.find('\n')), kGoOn)});
}

std::string WorkerWatch::from_leader(const std::string& name, const std::string& text) {
  try {
    if (place_.rank == 0) keys_->set_once("text/" + name, text);
  } catch (const std::exception& error) {
    raise_without_leader(error.what());
  }
  meet(name);
  try {
    return keys_->get("text/" + name).value_or("");
  } catch (const std::exception& error) {
    raise_without_leader(error.what());
  }
}

WorkerFailure WorkerWatch::tell(const WorkerFailure& failure) noexcept {
  try {
    return decode(keys_->set_once(kFailure, encode(failure)));
  } catch (const std::exception&) {
    return failure;  // nobody hears it: this worker says it alone
  }
}

void WorkerWatch::leave() noexcept {
  try {
    std::int64_t left = keys_->add(kLeft, place_.rank == 0 ? 0 : 1);
    if (place_.rank != 0) return;
    const auto end = Clock::now() + times_.farewell;
    for (;;) {
      look();
      const auto silent = std::ranges::count_if(
          lives_, [&](const Life& life) { return looked_ - life.since > times_.dead; });
      if (left >= place_.size - 1 - silent || looked_ > end) return;
      std::this_thread::sleep_for(times_.poll);
      left = keys_->add(kLeft, 0);
    }
  } catch (const std::exception&) {
    return;
  }
}

}  // namespace crayon
