// A Model and Engine without a model: deterministic numbers from hashes of the text, for tests of
// what stands above the engine, and for the thread sanitizer.
#pragma once

#include <memory>

#include "crayon/engine/engine.h"

namespace crayon {

struct FakeModelOptions {
  int d_model = 16;
  int n_layers = 4;
  /// Text that makes a choice score high when the question contains it: tests steer with it.
  std::string right_marker = "*";
};
[[nodiscard]] std::shared_ptr<Model> make_fake_model(const FakeModelOptions& options = {});

}  // namespace crayon
