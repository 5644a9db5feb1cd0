// The questions behind the rows of several tasks, drawn with replacement: rows that ask the same
// question come together.
#pragma once

#include <cstdint>
#include <vector>

#include "crayon/base/random.h"
#include "crayon/stats/routing_bands.h"

namespace crayon {

/// How often each of n things is there when n are drawn with replacement.
[[nodiscard]] std::vector<std::uint32_t> resampled(std::size_t n, Rng& rng);

class QuestionLists {
 public:
  /// @param asked  as RoutingOptions::questions; without, each task is a list of its own
  /// @throws Error InvalidArgument  a task that has no whole list: a replicate could leave it empty
  QuestionLists(const std::vector<RoutedTask>& tasks,
                const std::vector<std::vector<AskedQuestion>>& asked);

  [[nodiscard]] std::size_t size() const { return sizes_.size(); }

  /// Draws each list anew. @param streams  one for each list, at least @return [tasks][rows]
  [[nodiscard]] std::vector<std::vector<std::uint32_t>> draw(std::vector<Rng>& streams) const;

 private:
  [[nodiscard]] bool has_a_whole_list(const std::vector<AskedQuestion>& rows) const;

  std::vector<std::size_t> sizes_;                ///< Of the lists: distinct questions.
  std::vector<std::vector<AskedQuestion>> rows_;  ///< [tasks][rows], places without gaps.
};

}  // namespace crayon
