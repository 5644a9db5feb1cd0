// pool.json and gate.safetensors of a pool folder. The folder:
//   pool.json   gate.safetensors   adapters/NAME.gguf ...   README.md
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "crayon/formats/base_model.h"
#include "crayon/gate/gate.h"
#include "crayon/gate/scope_model.h"
#include "crayon/prompt/prompt.h"
#include "crayon/router/router.h"

namespace crayon {

struct PoolAdapterEntry {
  std::string name;
  std::string file;  ///< Relative to the folder; never absolute, never with "..".
  std::string sha256;
  int rank = 0;
  std::vector<std::string> trained_on;  ///< Data sets.
  std::string licence;
  /// How many rows of the gate's reference came with it. They are the last ones, in the order of
  /// the adapters; those before them are of the pool's own training.
  int reference_rows = 0;
};

struct PoolManifest {
  int format_version = 1;
  std::string id;  ///< Name and the first digits of a hash of gate and adapters.
  std::string name;
  BaseModel base;
  int first_layer = 0;  ///< Adapters sit in this layer and above.
  PromptFormat prompt;
  std::string gate_file = "gate.safetensors";
  std::string gate_sha256;
  Calibration calibration;                 ///< Generic confidence model, fitted on validation sets.
  ScopeModel scope;                        ///< What they say of scope; may be empty.
  std::vector<PoolAdapterEntry> adapters;  ///< N base adapters, in the order of w; may be none.
  std::vector<PoolAdapterEntry> shared;    ///< At most one shared adapter.
  std::string training_json = "{}";        ///< How it was trained: config, seeds, metrics, data.
};

/// @throws Error CorruptFile  not JSON, a key missing or of the wrong kind, duplicate keys or
///                            names, a path that leaves the folder; Unsupported: newer format
[[nodiscard]] PoolManifest parse_pool_manifest(const std::string& text, const std::string& file);
[[nodiscard]] std::string write_pool_manifest(const PoolManifest& manifest);

/// Gate <-> gate.safetensors. Reading checks with check_gate and names the file.
[[nodiscard]] Gate parse_gate(std::span<const std::byte> bytes, const std::string& file);
[[nodiscard]] std::vector<std::byte> write_gate(const Gate& gate);

}  // namespace crayon
