#include "crayon/pool/edit_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/nearest.h"
#include "crayon/pool/internal/pool_files.h"
#include "crayon/pool/internal/pool_lock.h"
#include "crayon/pool/internal/pool_writer.h"
#include "crayon/pool/internal/shares.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestName = 64;

Error invalid(const std::string& what) { return {ErrorCode::InvalidArgument, what}; }

/// A name of which the folder holds no file yet, so that nothing old is overwritten.
std::string free_file(const fs::path& folder, const std::string& stem, const std::string& suffix) {
  std::string file = stem + suffix;
  for (int n = 2; file_kind(folder / file) != FileKind::None; ++n) {
    file = fmt::format("{}-{}{}", stem, n, suffix);
  }
  return file;
}

/// What the gate's largest weight makes of the adapter is `strength` times the adapter.
double stored_factor(const Gate& gate, double strength) {
  if (!std::isfinite(strength) || strength <= 0) {
    throw invalid(fmt::format("strength {}; expected a number above 0", strength));
  }
  if (!gate.modulated) return strength;
  if (gate.max_tilt == 0) {
    throw invalid(
        "the pool's gate has max_tilt 0, so that it never turns to a single adapter; "
        "train the pool anew with a larger one");
  }
  return strength / double{gate.max_tilt};
}

/// The adapter as the pool stores it.
Adapter stored_adapter(const Pool& pool, const AddedAdapter& added) {
  const auto factor = static_cast<float>(stored_factor(pool.gate(), added.strength));
  std::vector<BlendPart> parts{{added.adapter, factor}};
  if (pool.shared() != nullptr && !added.on_shared) parts.push_back({*pool.shared(), -factor});
  return blend(parts).adapter;
}

void check_shapes(const Pool& pool, const Adapter& adapter) {
  std::vector<BlendPart> parts{{adapter, 1.0f}};
  for (const Adapter& other : pool.adapters()) parts.push_back({other, 1.0f});
  if (pool.shared() != nullptr) parts.push_back({*pool.shared(), 1.0f});
  (void)blend(parts);  // refuses other bases and shapes
}

void check_added(const Pool& pool, const AddedAdapter& added) {
  check_new_name(pool, added.name);
  const std::size_t m = pool.gate().keys.cols;
  if (added.key.size() != m || (added.reference.rows > 0 && added.reference.cols != m)) {
    throw invalid(
        fmt::format("adapter '{}': its key has {} numbers and its examples {}; expected "
                    "{}, as the pool's keys",
                    added.name, added.key.size(), added.reference.cols, m));
  }
  if (added.adapter.tensors.empty()) {
    throw invalid(fmt::format("adapter '{}' changes nothing", added.name));
  }
}

/// The index of an adapter by name, else by number.
std::size_t find_adapter(const PoolManifest& manifest, const std::string& which) {
  std::vector<std::string> names;
  for (const PoolAdapterEntry& entry : manifest.adapters) names.push_back(entry.name);
  if (const auto found = std::ranges::find(names, which); found != names.end()) {
    return static_cast<std::size_t>(found - names.begin());
  }
  for (const PoolAdapterEntry& entry : manifest.shared) {
    if (entry.name == which) {
      throw invalid(
          fmt::format("'{}' is the shared adapter of pool '{}', on which the others "
                      "build; train a pool without it instead",
                      which, manifest.name));
    }
  }
  std::size_t index = 0;
  const char* end = which.data() + which.size();
  const auto [stop, error] = std::from_chars(which.data(), end, index);
  if (error == std::errc() && stop == end && index < names.size()) return index;
  const auto near = nearest_names(which, names);
  throw Error(
      ErrorCode::NotFound,
      fmt::format("pool '{}' has no adapter '{}'; expected one of its {} names or an index "
                  "below {}{}",
                  manifest.name, which, names.size(), names.size(),
                  near.empty() ? "" : fmt::format("; did you mean {}?", fmt::join(near, ", "))));
}

Matrix without_rows(const Matrix& matrix, std::size_t begin, std::size_t n) {
  Matrix result(matrix.rows - n, matrix.cols);
  for (std::size_t row = 0; row < result.rows; ++row) {
    std::ranges::copy(matrix.row(row < begin ? row : row + n), result.row(row).begin());
  }
  return result;
}

/// Where the rows of an adapter begin in the reference.
std::size_t reference_begin(const PoolManifest& manifest, const Gate& gate, std::size_t index) {
  std::size_t begin = gate.reference.rows;
  for (std::size_t i = manifest.adapters.size(); i-- > index;) {
    begin -= static_cast<std::size_t>(manifest.adapters[i].reference_rows);
  }
  return begin;
}

/// The lowest block that the others change; the pool's own where none is left.
int first_layer_without(const Pool& pool, std::size_t index) {
  std::optional<int> lowest;
  const auto look_at = [&](const Adapter& adapter) {
    lowest = std::min(lowest.value_or(lowest_layer(adapter)), lowest_layer(adapter));
  };
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (i != index) look_at(pool.adapters()[i]);
  }
  if (pool.shared() != nullptr) look_at(*pool.shared());
  return lowest.value_or(pool.manifest().first_layer);
}

Matrix row_of(const std::vector<float>& values) {
  Matrix row(1, values.size());
  row.data = values;
  return row;
}

/// The pool as it is.
PoolEdit unchanged(const Pool& pool) {
  return {.manifest = pool.manifest(),
          .gate = pool.gate(),
          .files = {},
          .from = write_pool_manifest(pool.manifest())};
}

PoolEdit edit_of(const Pool& pool) {
  PoolEdit edit = unchanged(pool);
  edit.manifest.gate_file = free_file(pool.folder(), "gate", ".safetensors");
  return edit;
}

}  // namespace

void check_new_name(const Pool& pool, const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty() || name.size() > kLongestName || name.front() == '.' || name.front() == '-' ||
      !std::ranges::all_of(name, allowed)) {
    throw invalid(
        fmt::format("adapter name '{}'; expected 1 to {} of A-Z a-z 0-9 . _ -, not "
                    "beginning with '.' or '-'; choose one with --name",
                    name.substr(0, kLongestName), kLongestName));
  }
  for (const auto* list : {&pool.manifest().adapters, &pool.manifest().shared}) {
    if (std::ranges::find(*list, name, &PoolAdapterEntry::name) == list->end()) continue;
    throw invalid(
        fmt::format("pool '{}' has an adapter '{}' already; choose another name with "
                    "--name, or remove that one first",
                    pool.manifest().name, name));
  }
}

PoolEdit empty_pool(PoolManifest manifest, const Gate& gate) {
  if (gate.size() != 0 || !manifest.adapters.empty() || !manifest.shared.empty()) {
    throw invalid(fmt::format("pool '{}': {} keys and {} adapters; expected none in a new pool",
                              manifest.name, gate.size(), manifest.adapters.size()));
  }
  PoolEdit edit{.manifest = std::move(manifest), .gate = gate, .files = {}, .from = {}};
  seal_pool(edit.manifest, edit.gate, edit.files, edit.manifest.name);
  return edit;
}

PoolEdit add_adapter(const Pool& pool, AddedAdapter added) {
  check_added(pool, added);
  added.adapter.base_id = pool.manifest().base.id();
  const Adapter stored = stored_adapter(pool, added);
  check_shapes(pool, stored);
  PoolEdit edit = edit_of(pool);
  PoolAdapterEntry entry;
  entry.name = added.name;
  entry.file = free_file(pool.folder(), "adapters/" + added.name, ".gguf");
  entry.trained_on = added.trained_on;
  entry.licence = added.licence;
  entry.reference_rows = static_cast<int>(added.reference.rows);
  edit.files.push_back(make_adapter_file(entry, stored, edit.manifest.base));
  edit.manifest.first_layer = std::min(edit.manifest.first_layer, lowest_layer(stored));
  edit.manifest.adapters.push_back(std::move(entry));

  Gate& gate = edit.gate;
  if (gate.modulated) {
    gate.even = even_shares(gate);
    gate.even.push_back(0);
  }
  gate.keys = stacked(gate.keys, row_of(added.key));
  gate.reference = stacked(gate.reference, added.reference);
  seal_pool(edit.manifest, gate, edit.files, pool.folder());
  return edit;
}

PoolEdit remove_adapter(const Pool& pool, const std::string& which) {
  const std::size_t index = find_adapter(pool.manifest(), which);
  PoolEdit edit = edit_of(pool);
  const auto at = static_cast<std::ptrdiff_t>(index);
  auto& entries = edit.manifest.adapters;
  Gate& gate = edit.gate;
  gate.reference = without_rows(gate.reference, reference_begin(edit.manifest, gate, index),
                                static_cast<std::size_t>(entries[index].reference_rows));
  if (gate.modulated) {
    gate.even = even_shares(gate);
    gate.even.erase(gate.even.begin() + at);
  }
  gate.keys = without_rows(gate.keys, index, 1);
  entries.erase(entries.begin() + at);
  edit.manifest.first_layer = first_layer_without(pool, index);
  drop_default_shares(gate);
  seal_pool(edit.manifest, gate, edit.files, pool.folder());
  return edit;
}

PoolEdit with_calibration(const Pool& pool, const Calibration& calibration) {
  if (!(calibration.guess >= 0 && calibration.guess < 1) || !std::isfinite(calibration.slope) ||
      !std::isfinite(calibration.intercept)) {
    throw invalid(
        "a calibration whose numbers are not finite, or whose guess is not 0 to less than 1");
  }
  PoolEdit edit = unchanged(pool);
  edit.manifest.calibration = calibration;
  add_manifest(edit.manifest, edit.files, pool.folder());
  return edit;
}

PoolEdit with_scope_model(const Pool& pool, ScopeModel model) {
  check_scope_model(model, "scope model");
  PoolEdit edit = unchanged(pool);
  edit.manifest.scope = std::move(model);
  add_manifest(edit.manifest, edit.files, pool.folder());
  return edit;
}

void write_edit(const fs::path& folder, const PoolEdit& edit) {
  const PoolLock lock(folder);
  if (edit.from.empty()) {
    if (file_kind(folder / kManifestFile) != FileKind::None) {
      throw invalid(folder.string() + ": holds a pool already; name another folder");
    }
  } else if (write_pool_manifest(read_manifest(folder)) != edit.from) {
    // The id alone would not do: a pool keeps it when its calibration or scope model is fitted
    // anew.
    throw Error(ErrorCode::Unavailable,
                fmt::format("{}: this pool was changed meanwhile; try again", folder.string()));
  }
  put_files(folder, edit.files, files_of(edit.manifest));
}

}  // namespace crayon
