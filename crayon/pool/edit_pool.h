// A pool gains an adapter or loses one, two pools become one, or one a smaller one: no training.
// Numbers and files only: keys and gates come from crayon/session/make_pool.h, which runs the
// model.
//   w = (1 - a) p + a g    p [N] the even shares (Gate::even), s_i the adapters as they are stored
// What an edit keeps: the stored adapters and their shares p_i say how they were trained, not how
// many there are, so neither changes when others come or go. Where the gate does not turn to an
// adapter that was added, all others are blended as before. docs/design/pool.md says why.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "crayon/adapter/adapter.h"
#include "crayon/formats/pool_manifest.h"
#include "crayon/gate/gate.h"
#include "crayon/pool/pool.h"

namespace crayon {

/// A file of a pool, its path relative to the folder.
struct PoolFile {
  std::string file;
  std::vector<std::byte> bytes;
};

/// A pool as it will be. Nothing is written before write_edit().
struct PoolEdit {
  PoolManifest manifest;        ///< Complete, with hashes and id.
  Gate gate;                    ///< N keys, in the order of manifest.adapters.
  std::vector<PoolFile> files;  ///< To be written, the manifest last; others stay as they are.
  std::string from;  ///< The manifest of the pool that was edited, as written; "": a new one.
};

/// A pool without adapters. @param manifest  its `adapters` and `shared` must be empty
/// @throws Error InvalidArgument  a gate that has keys, or a manifest that cannot be
[[nodiscard]] PoolEdit empty_pool(PoolManifest manifest, const Gate& gate);

struct AddedAdapter {
  std::string name;  ///< See check_new_name().
  std::vector<std::string> trained_on = {};
  std::string licence = {};
  Adapter adapter = {};         ///< Fits the pool's base; see formats/import_adapter.h.
  std::vector<float> key = {};  ///< [m], norm 1
  Matrix reference = {};        ///< z [n, m] of what it was trained for; may be empty.
  /// How strong it is, in units of its own training, where a wholly familiar task is given to it
  /// alone. What the gate's tilt leaves to the even blend comes on top.
  double strength = 1;
  /// It was trained on top of the pool's shared adapter, not on the bare base.
  bool on_shared = false;
};

/// @throws Error InvalidArgument  a name that the pool has, or not 1 to 64 of A-Z a-z 0-9 . _ -, or
///                                one that begins with "." or "-"
void check_new_name(const Pool& pool, const std::string& name);

/// One more adapter, the last one, with even share 0. Its stored scale is strength / max_tilt
/// (strength in a plain gate), since the gate never gives it more than max_tilt; where the pool has
/// a shared adapter, that is taken out of it (ranks add up) unless it was trained on top of it.
/// @throws Error InvalidArgument  a name that is there, a key or reference of another shape, a gate
///                                with max_tilt 0, numbers that are not finite
/// @throws Error Incompatible     made for another base, or shapes unlike those of the others
[[nodiscard]] PoolEdit add_adapter(const Pool& pool, AddedAdapter added);

/// One adapter less, with its key, its even share and its rows of the reference.
/// @param which  its name, or its index in w
/// @throws Error NotFound         no such adapter, with the nearest names
/// @throws Error InvalidArgument  the shared adapter, on which the others build
[[nodiscard]] PoolEdit remove_adapter(const Pool& pool, const std::string& which);

/// What keeps the keys of two gates from standing side by side, "" if nothing does: embedding,
/// whitening, temperature. Keys of gates that differ in these go through a refit.
[[nodiscard]] std::string key_difference(const Gate& a, const Gate& b);

struct MergeOptions {
  std::string name;  ///< Of the new pool.
  /// A gate fitted anew, whose keys are the first pool's and then the second's, in its own space;
  /// needed where key_difference() says so. Its reference counts as the new pool's own.
  std::optional<Gate> refitted = {};
};

/// Refuses what no gate can mend, before the work of fitting one.
/// @throws Error Incompatible  another base or prompt format, shared adapters that differ, one gate
///                             modulated and one plain, or another max_tilt
void check_merge(const Pool& first, const Pool& second);

/// Both pools' adapters, as they are stored, in a new pool. Even shares are N_1 p_1 and N_2 p_2,
/// over N_1 + N_2: with equal counts each half of what it was. Names that both have get the second
/// pool's name in front. Calibration is the first one's, marked approximate; its scope model stays
/// where the gate's space does.
/// @throws Error Incompatible  as check_merge(); key_difference() without a refitted gate
/// @throws Error InvalidArgument  a refitted gate of another number of keys
[[nodiscard]] PoolEdit merge_pools(const Pool& first, const Pool& second, MergeOptions options);

struct ShrinkOptions {
  std::string name;                     ///< Of the new pool.
  int rank = 2;                         ///< Most of a gated adapter, at least 1.
  std::optional<int> shared_rank = {};  ///< Most of the shared adapter; none: it stays as it is.
};

/// What an adapter loses: ||small - whole||_F / ||whole||_F; 0 where it stays.
struct ShrunkAdapter {
  std::string name;
  int rank = 0;  ///< As it was.
  double relative_error = 0;
};
struct ShrunkPool {
  PoolEdit edit;
  std::vector<ShrunkAdapter> adapters;  ///< The gated ones in the order of w, then the shared one.
};

/// The pool with smaller adapters: of each the best approximation at the asked
/// rank in Frobenius norm (truncated SVD). One that is no larger stays, byte for byte; so does the
/// gate. Calibration is marked approximate; training_json names the pool and what was lost.
/// @throws Error InvalidArgument  a rank below 1
[[nodiscard]] ShrunkPool shrink_pool(const Pool& pool, const ShrinkOptions& options);

/// The same pool with another generic calibration. @throws Error InvalidArgument  one not finite
[[nodiscard]] PoolEdit with_calibration(const Pool& pool, const Calibration& calibration);
/// The same pool with another scope model.
[[nodiscard]] PoolEdit with_scope_model(const Pool& pool, ScopeModel model);

/// Writes an edit into the pool's folder. No file of the old pool is touched before the manifest is
/// replaced, so that a kill leaves the old pool or the new one; then what is named no more goes.
/// @throws Error InvalidArgument  a new pool where one is already
/// @throws Error Unavailable      the pool was changed meanwhile, or another program is changing it
///                                now; disk or rights do not allow it
void write_edit(const std::filesystem::path& folder, const PoolEdit& edit);

}  // namespace crayon
