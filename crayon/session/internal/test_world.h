// For tests of this part: a pool whose adapters can be read back from their blend, an engine whose
// scores are a function of the weights that are set, and a larger LLM on loopback.
//   adapter i: one tensor of rank 1, delta = e_i e_i^T; so a blend's delta has w on its diagonal
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crayon/engine/engine.h"
#include "crayon/formats/task_file.h"
#include "crayon/http/server.h"
#include "crayon/pool/pool.h"
#include "crayon/remote/remote.h"

namespace crayon {

inline constexpr int kWidth = 16;  ///< d of the fake model.

/// A pool of `n` such adapters for the model, written into `folder` and opened. The embedding is
/// layer 2, whitened to 4 numbers.
[[nodiscard]] Pool make_test_pool(const std::filesystem::path& folder, const Model& model,
                                  std::size_t n);

/// n examples "is this <word> number k" with the choices yes, no, maybe; labelled in turn.
[[nodiscard]] std::vector<Example> make_test_examples(std::size_t n, bool labels = true);

/// A task customised from such a pool and 8 such examples, in a file of `folder`; `change` may edit
/// its info first.
[[nodiscard]] std::string write_test_task(const std::filesystem::path& folder, Model& model,
                                          const std::function<void(TaskInfo&)>& change = {});

/// Scores (mean log-prob of choice c of a prompt) as the test wants them; `weights` has kWidth
/// numbers, the w that is set and zeros, and is empty for the base alone.
using ScoreFunction = std::function<float(const std::string& prompt, std::size_t choice,
                                          const std::vector<float>& weights)>;

/// The fake engine with such scores; embeddings and generated text stay the fake's.
[[nodiscard]] std::unique_ptr<Engine> make_scripted_engine(Model& model, ScoreFunction score);

/// A larger LLM on loopback that says `reply` to everything and counts what it is asked.
class FakeServer {
 public:
  enum class Mode {
    Good,
    Slow,      ///< Says nothing until the client has gone.
    WrongKey,  ///< 401 to everything.
    Broken,    ///< A stream ends behind its first piece; other answers are whole.
    NoModels,  ///< 404 to /v1/models.
  };
  explicit FakeServer(Mode mode = Mode::Good);
  /// A client of it that waits for at most `patience`.
  [[nodiscard]] Remote remote(
      std::chrono::milliseconds patience = std::chrono::milliseconds(20000)) const;

  std::string reply = "B";
  std::string log_probs = "null";
  std::atomic<int> asked = 0;   ///< Questions.
  std::atomic<int> called = 0;  ///< Anything, /v1/models too.

 private:
  ServerResponse answer(const ServerRequest& request);

  Mode mode_;
  HttpServer http_;
};

/// A question with the choices yes, no, maybe and no label.
[[nodiscard]] Example make_question(const std::string& text);
/// A chat of one turn.
[[nodiscard]] Example make_free_question(const std::string& text);

}  // namespace crayon
