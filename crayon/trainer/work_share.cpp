#include "crayon/trainer/internal/work_share.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace crayon {
namespace {

/// The item of worker `from` whose move evens two loads out best; none where no move helps.
std::optional<std::size_t> best_move(std::span<const TrainItem* const> items,
                                     std::span<const int> owners, int from, int difference) {
  std::optional<std::size_t> best;
  int best_left = difference;  // between the two, after the move
  for (std::size_t i = 0; i < items.size(); ++i) {
    const int left = std::abs(difference - 2 * items[i]->length);
    if (owners[i] != from || left >= best_left) continue;
    best = i;
    best_left = left;
  }
  return best;
}

}  // namespace

std::vector<int> share_out(std::span<const TrainItem* const> items, int size) {
  std::vector<int> owners, loads(static_cast<std::size_t>(size));
  for (const TrainItem* item : items) {
    owners.push_back(static_cast<int>(item->id % static_cast<std::size_t>(size)));
    loads[static_cast<std::size_t>(owners.back())] += item->length;
  }
  for (;;) {
    const auto [least, most] = std::minmax_element(loads.begin(), loads.end());
    const int from = static_cast<int>(most - loads.begin());
    const auto moved = best_move(items, owners, from, *most - *least);
    if (!moved) return owners;
    owners[*moved] = static_cast<int>(least - loads.begin());
    *least += items[*moved]->length;
    *most -= items[*moved]->length;
  }
}

std::vector<std::size_t> items_at_home(std::span<const TrainItem* const> items,
                                       const ProcessGroup& group) {
  std::vector<std::size_t> home;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i]->id % static_cast<std::size_t>(group.size()) ==
        static_cast<std::size_t>(group.rank())) {
      home.push_back(i);
    }
  }
  return home;
}

std::vector<const TrainItem*> pick(std::span<const TrainItem* const> items,
                                   std::span<const std::size_t> indexes) {
  std::vector<const TrainItem*> picked;
  for (const std::size_t i : indexes) picked.push_back(items[i]);
  return picked;
}

Matrix join_rows(const Matrix& own, std::span<const std::size_t> indexes, std::size_t n,
                 std::size_t cols, ProcessGroup& group) {
  Matrix all(n, cols);
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    std::copy_n(own.row(i).begin(), cols, all.row(indexes[i]).begin());
  }
  group.sum(std::span(all.data));  // the others' rows are 0: the sum changes no bit
  return all;
}

Matrix embed_together(TrunkCache& cache, std::span<const TrainItem* const> items,
                      ProcessGroup& group, const std::function<void(std::size_t)>& on_done) {
  const auto home = items_at_home(items, group);
  const Matrix own = cache.embed(pick(items, home), on_done);
  return join_rows(own, home, items.size(), cache.embedding_dims(), group);
}

}  // namespace crayon
