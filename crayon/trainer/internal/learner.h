// What is learnt: the adapters and the gate's keys, their optimizer and one step of it.
#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <string>

#include "crayon/trainer/internal/plan.h"
#include "crayon/trainer/internal/process_group.h"
#include "crayon/trainer/internal/trunk_cache.h"

namespace crayon {

/// One batch, of which this worker has a part.
struct StepBatch {
  const ItemBatch* own = nullptr;  ///< This worker's items; null where it has none.
  const Matrix& z;                 ///< [B, m] of all items of the batch, on all workers alike.
  double tilt = 0;                 ///< a
  bool drop_nearest = false;
  double rate = 1;  ///< Factor on the learning rates.
  Stage stage = Stage::Gated;
};

/// Of the whole batch, the same on all workers.
struct StepLosses {
  double total = 0;
  double choice = 0;  ///< -log p(answer) over the choices.
  double answer = 0;  ///< The answer's own, before its weight; so are the next two.
  double balance = 0;
  double diversity = 0;
  double tokens = 0;
  double gradient = 0;  ///< Norm before clipping.
  [[nodiscard]] bool finite() const;
};

/// AdamW (Loshchilov and Hutter 2019) on A, B and keys, all in f32.
class Learner {
 public:
  /// @param network  borrowed  @param keys  [N, m], rows of norm 1
  /// @param reference  z [n, m] of prompts of the whole mixture, for the balance of the gate
  /// @param group  borrowed; a job of one where it is null
  Learner(const Network& network, const TrainConfig& config, const Matrix& keys,
          const Matrix& reference, ProcessGroup* group = nullptr);
  ~Learner();
  Learner(Learner&&) noexcept;

  /// w [N] = (1 - a)/N + a mean_k g(z_k), beside a shared adapter a mean_k g(z_k); carries a
  /// gradient to the keys.
  /// @param drop_nearest  the largest entry of the mean is 0, and the others are scaled up to 1
  [[nodiscard]] torch::Tensor weights(const Matrix& z, double tilt,
                                      bool drop_nearest = false) const;

  /// One step, by all workers together: losses are means over the items of all of them, gradients
  /// are added up before they are clipped. Every item has a known answer. Changes nothing when a
  /// loss or the gradient is not finite: ask finite().
  StepLosses step(const StepBatch& batch);

  /// An adapter that is there in place of one to be trained. See WideLora::set_shared().
  void set_shared(const Adapter& adapter);

  [[nodiscard]] const WideLora& lora() const;
  [[nodiscard]] Matrix keys() const;  ///< Rows of norm 1.

  /// Parameters and the optimizer's state, by name; what a checkpoint holds.
  [[nodiscard]] std::map<std::string, FloatTensor> tensors() const;
  /// @throws Error CorruptFile  a tensor missing or of another shape
  void load(const std::map<std::string, FloatTensor>& tensors);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace crayon
