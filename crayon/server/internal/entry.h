// What is kept of one answer of the API: its id, why it is given here, and the numbers that go into
// the decision log. No text.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/http/server.h"
#include "crayon/server/bookkeeping.h"
#include "crayon/server/internal/answers.h"
#include "crayon/server/internal/requests.h"
#include "crayon/store/decisions.h"

namespace crayon::server {

class Entry {
 public:
  /// Looks at the request before anything else does. Borrows the bookkeeping.
  /// @throws Error InvalidArgument  the policy blocks it
  Entry(const Bookkeeping& books, const ApiRequest& request, const ServerRequest& http);

  /// x-crayon-id, -side, -reason
  [[nodiscard]] std::map<std::string, std::string> headers() const;
  void take(const GeneratedToken& token);
  void take_scores(const std::vector<float>& scores);
  /// Logs the answer; once. A log that cannot be written is warned of.
  void finish(const Usage& usage);

 private:
  const Bookkeeping& books_;
  DecisionRecord record_;
  std::vector<float> log_probs_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace crayon::server
