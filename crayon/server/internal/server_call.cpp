#include "crayon/server/internal/server_call.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>

#include "crayon/base/error.h"

namespace crayon::server {

struct ServerCall::State {
  std::atomic<bool> cancel = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> pieces;  // guarded by mutex, as all below
  ServerDoor::Reply reply;
  std::exception_ptr error;
  bool done = false;

  bool put(std::string_view piece) {
    {
      const std::lock_guard lock(mutex);
      pieces.emplace_back(piece);
    }
    changed.notify_one();
    return !cancel;
  }
  void finish(ServerDoor::Reply&& answer, std::exception_ptr thrown) {
    {
      const std::lock_guard lock(mutex);
      reply = std::move(answer);
      error = std::move(thrown);
      done = true;
    }
    changed.notify_one();
  }
};

ServerCall::ServerCall(Ask ask, std::function<bool()> cancelled)
    : state_(std::make_shared<State>()), cancelled_(std::move(cancelled)) {
  thread_ = std::thread([state = state_, ask = std::move(ask)] {
    ServerDoor::Reply reply;
    std::exception_ptr error;
    try {
      reply = ask([&](std::string_view piece) { return state->put(piece); },
                  [&] { return state->cancel.load(); });
    } catch (...) {
      error = std::current_exception();
    }
    state->finish(std::move(reply), std::move(error));
  });
}

ServerCall::~ServerCall() {
  state_->cancel = true;
  thread_.join();
}

void ServerCall::wait_for_first() {
  constexpr std::chrono::milliseconds kTick{50};  // how long a client that has gone may go unseen
  const auto ready = [this] { return !state_->pieces.empty() || state_->done; };
  for (;;) {
    if (cancelled_()) {
      state_->cancel = true;
      throw Error(ErrorCode::Unavailable, "the answer was cancelled");
    }
    std::unique_lock lock(state_->mutex);
    if (!state_->changed.wait_for(lock, kTick, ready)) continue;
    if (state_->pieces.empty() && state_->error) std::rethrow_exception(state_->error);
    return;
  }
}

std::optional<std::string> ServerCall::next() {
  wait_for_first();
  const std::lock_guard lock(state_->mutex);
  if (state_->pieces.empty()) return std::nullopt;
  auto piece = std::move(state_->pieces.front());
  state_->pieces.pop_front();
  return piece;
}

void ServerCall::enough() {
  state_->cancel = true;
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->done; });
}

const ServerDoor::Reply& ServerCall::reply() const {
  const std::lock_guard lock(state_->mutex);
  return state_->reply;
}

StopCutter::StopCutter(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) longest_ = std::max(longest_, stop.size());
}

std::string StopCutter::take(std::string_view piece, bool last) {
  if (stopped_) return {};
  waiting_ += piece;
  std::size_t end = std::string::npos;
  for (const std::string& stop : stops_) end = std::min(end, waiting_.find(stop));
  stopped_ = end != std::string::npos;
  std::size_t said = waiting_.size();
  if (stopped_) {
    said = end;
  } else if (!last && longest_ > 0) {
    said -= std::min(said, longest_ - 1);
    while (said > 0 && (static_cast<unsigned char>(waiting_[said]) & 0xC0) == 0x80) --said;
  }
  std::string out = waiting_.substr(0, said);
  waiting_.erase(0, said);
  return out;
}

}  // namespace crayon::server
