// Counts of a server's answers in Prometheus' text format. Labels come from closed lists: no text
// of a request can become one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "crayon/store/decisions.h"

namespace crayon::server {

/// Safe from several threads.
class Metrics {
 public:
  void count(const DecisionRecord& record);
  void count_refused();  ///< A request that the policy blocks.
  /// @param waiting  requests in the engine's queue
  [[nodiscard]] std::string text(std::size_t waiting) const;

 private:
  struct Side {
    std::int64_t answers = 0;
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    double seconds = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::int64_t> answers_;  // by side and reason
  std::map<std::string, Side> sides_;
  std::int64_t refused_ = 0;
  std::int64_t money_ = 0;
};

}  // namespace crayon::server
