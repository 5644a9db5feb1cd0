// Works out one cell of a plan: customises, asks the questions and evens out labels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "crayon/bench/method.h"
#include "crayon/bench/result.h"
#include "crayon/bench/result_store.h"
#include "crayon/bench/run.h"

namespace crayon {

class CellWork {
 public:
  /// Borrows all it is given.
  CellWork(Pool& pool, const BenchTools& tools, const ResultStore& store, BenchScorer& scorer,
           const RunOptions& options)
      : pool_(pool), tools_(tools), store_(store), scorer_(scorer), options_(options) {}

  /// What a method answers to a task's questions; finished, but for what names the cell.
  /// @param examples  the K that it may see
  /// @throws Error  as the method, the scorer or a server
  [[nodiscard]] BenchResult work_out(const Method& method, const BenchTask& task,
                                     const std::vector<BenchRow>& examples, std::uint64_t seed);

 private:
  RowScores answer(const Method& method, const Prepared& prepared,
                   const std::vector<BenchRow>& rows, std::span<const BenchRow> shots);
  RowScores answer_directly(const Prepared& prepared, const std::vector<BenchRow>& rows);
  RowScores score_examples(const Method& method, const Prepared& prepared,
                           const std::vector<BenchRow>& examples, std::span<const BenchRow> shots);
  void apply(const Head& head, const std::vector<BenchRow>& rows, RowScores& found);
  [[nodiscard]] Matrix z_of(const std::vector<BenchRow>& rows) {
    return whiten(pool_.gate().whitening, scorer_.embed(rows, pool_.gate().embedding));
  }

  Pool& pool_;
  const BenchTools& tools_;
  const ResultStore& store_;
  BenchScorer& scorer_;
  const RunOptions& options_;
};

}  // namespace crayon
