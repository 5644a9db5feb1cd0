#include "crayon/server/internal/server_call.h"

#include <algorithm>

#include "crayon/server/internal/handover.h"

namespace crayon::server {

struct ServerCall::State : Handover<std::string, ServerDoor::Reply> {};

ServerCall::ServerCall(Ask ask, std::function<bool()> cancelled)
    : state_(std::make_shared<State>()), cancelled_(std::move(cancelled)) {
  thread_ = std::thread([state = state_, ask = std::move(ask)] {
    ServerDoor::Reply reply;
    std::exception_ptr error;
    try {
      reply = ask([&](std::string_view piece) { return state->put(std::string(piece)); },
                  [&] { return state->cancelled(); });
    } catch (const Error& failed) {
      reply.money = money_of(failed);
      error = std::current_exception();
    } catch (...) {
      error = std::current_exception();
    }
    state->finish(std::move(reply), std::move(error));
  });
}

ServerCall::~ServerCall() {
  state_->cancel();
  thread_.join();
}

void ServerCall::wait_for_first() { state_->wait_for_first(cancelled_); }

std::optional<std::string> ServerCall::next() { return state_->next(cancelled_); }

void ServerCall::enough() {
  state_->cancel();
  state_->wait_for_end();
}

ServerDoor::Reply ServerCall::reply() const { return state_->result(); }

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
