// A call of the larger LLM on a thread of its own: the connection's thread waits for its first
// word, for its pieces and for its end, and ends it when the client goes. The engine is free
// meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "crayon/session/door.h"

namespace crayon::server {

class ServerCall {
 public:
  /// Runs the call; it passes on what it is given: pieces, and whether to go on.
  using Ask =
      std::function<ServerDoor::Reply(const OnText& on_text, const std::function<bool()>& gone)>;

  /// @param cancelled  asked on the thread that waits
  ServerCall(Ask ask, std::function<bool()> cancelled);
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;
  ~ServerCall();  ///< Cancels, and waits for the call to notice: a moment.

  /// Waits until there is a piece, or the end: what the call throws before comes out here, and only
  /// then may another answer take its place.
  void wait_for_first();
  /// Takes the next piece; none at the end. @throws what the call threw; Error Unavailable when
  /// the client has gone or the server stops
  [[nodiscard]] std::optional<std::string> next();
  /// Ends the call, as enough was said, and waits for it to notice; what it throws then is no news.
  void enough();
  /// After next() gave nothing or threw what the call threw, or enough(). Of a call that failed it
  /// holds the money alone.
  [[nodiscard]] ServerDoor::Reply reply() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< Shared with the thread.
  std::function<bool()> cancelled_;
  std::thread thread_;
};

/// Cuts a text that comes in pieces before the first of its stops, wherever that lies.
class StopCutter {
 public:
  explicit StopCutter(std::vector<std::string> stops);
  /// What of the text so far can be said, in whole UTF-8 characters; what may be the beginning of a
  /// stop waits.
  [[nodiscard]] std::string take(std::string_view piece, bool last);
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::size_t longest_ = 0;
  std::string waiting_;
  bool stopped_ = false;
};

}  // namespace crayon::server
