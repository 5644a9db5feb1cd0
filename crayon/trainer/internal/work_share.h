// Which worker computes what, and the parts joined again. Every worker holds all items; their trunk
// outputs it keeps for those alone that it has computed.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "crayon/trainer/internal/process_group.h"
#include "crayon/trainer/internal/trunk_cache.h"

namespace crayon {

/// The worker that takes each item of a batch. An item has a home, where its trunk output is kept;
/// items are moved from there while that makes the worker with most tokens have less. The same on
/// all workers. @param size  workers, at least 1
[[nodiscard]] std::vector<int> share_out(std::span<const TrainItem* const> items, int size);

/// Those of the items whose home is this worker, as indexes.
[[nodiscard]] std::vector<std::size_t> items_at_home(std::span<const TrainItem* const> items,
                                                     const ProcessGroup& group);

/// TrunkCache::embed() by all workers: each does the items at its home. All get the whole.
/// `on_done(i)` after each pass, with the number of this worker's items that are done.
[[nodiscard]] Matrix embed_together(TrunkCache& cache, std::span<const TrainItem* const> items,
                                    ProcessGroup& group,
                                    const std::function<void(std::size_t)>& on_done = {});

/// This worker's rows put to their places among `n`, and the other workers' from them.
/// @param own  as many as indexes  @param cols  of a row, also where there is none
[[nodiscard]] Matrix join_rows(const Matrix& own, std::span<const std::size_t> indexes,
                               std::size_t n, std::size_t cols, ProcessGroup& group);

/// The items at these indexes.
[[nodiscard]] std::vector<const TrainItem*> pick(std::span<const TrainItem* const> items,
                                                 std::span<const std::size_t> indexes);

}  // namespace crayon
