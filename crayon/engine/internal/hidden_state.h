// Reading hidden states out of a pass: the residual after one or several blocks, pooled over the
// prompt, or row by row, or what the last norm puts out.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "crayon/base/matrix.h"
#include "crayon/gate/gate.h"

struct ggml_tensor;

namespace crayon::internal {

/// llama.cpp's eval callback and what it collects. It sees one ubatch at a time; rows come in the
/// order of the prompt's tokens. Idle until begin().
class HiddenState {
 public:
  /// @param layers    ascending, at least one
  /// @param end_pass  stop each pass right after the last layer: for passes that need no logits
  void begin(std::span<const int> layers, Pooling pooling, bool end_pass);
  /// Collects every row of what block layer - 1 puts out, and ends each pass there.
  void begin_rows(int layer);
  /// Collects what the model's last norm puts out, of the tokens whose logits are wanted.
  void begin_outputs();
  /// Goes idle; the pooled states [layers, d]. A prompt of one token has its mean over that token.
  /// @throws Error Unavailable  the pass did not show a layer
  [[nodiscard]] Matrix finish();
  /// Goes idle; all rows since begin_rows() or begin_outputs(), [n, d].
  /// @throws Error Unavailable  as finish(), or another number of rows than n
  [[nodiscard]] Matrix finish_rows(std::size_t n);
  void abandon() { active_ = false; }  ///< Goes idle without a result.

  /// To be given to llama_context_params::cb_eval, with the object as user data.
  static bool on_tensor(ggml_tensor* tensor, bool ask, void* self);

 private:
  /// A tensor that is read, by its name in llama.cpp's graph, and its rows so far.
  struct Seen {
    std::string name;
    std::size_t rows = 0;
    std::vector<double> sum = {};  ///< Over the rows but the first.
    std::vector<float> first = {};
    std::vector<float> last = {};
    void add(std::span<const float> row);
    [[nodiscard]] std::vector<float> pooled(Pooling pooling) const;
  };

  Seen* find(const ggml_tensor* tensor);
  void take(const ggml_tensor* tensor, Seen& seen);
  void start(std::vector<std::string> tensors, bool end_pass, bool keeps_rows);
  void stop();

  bool active_ = false;
  bool end_pass_ = false;
  bool keeps_rows_ = false;
  Pooling pooling_ = Pooling::Last;
  std::vector<Seen> seen_;   ///< In the order of the pass.
  std::vector<float> rows_;  ///< One ubatch.
  Matrix kept_rows_;
  bool failed_ = false;  ///< The callback must not throw: told in finish().
};

}  // namespace crayon::internal
