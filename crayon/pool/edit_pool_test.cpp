#include "crayon/pool/edit_pool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "crayon/pool/internal/pool_files.h"
#include "crayon/pool/internal/pool_writer.h"
#include "tests/corrupt/support.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::random_matrix;
using test::small_adapter;
using test::small_base;
using test::small_gate;
using test::unit_rows;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

/// The delta of one weight of a blend at w, summed the slow way.
std::vector<float> dense(Pool& pool, const std::vector<float>& weights, std::size_t tensor) {
  const Blend blend = pool.blend(weights);
  const LoraTensor& t = blend.adapter.tensors.at(tensor);
  std::vector<float> sum(t.b.rows * t.a.cols);
  for (std::size_t i = 0; i < t.b.rows; ++i) {
    for (std::size_t j = 0; j < t.a.cols; ++j) {
      for (std::size_t k = 0; k < t.rank(); ++k) {
        sum[i * t.a.cols + j] += t.scale * t.b.at(i, k) * t.a.at(k, j);
      }
    }
  }
  return sum;
}

std::vector<float> dense(const LoraTensor& t) {
  std::vector<float> sum(t.b.rows * t.a.cols);
  for (std::size_t i = 0; i < t.b.rows; ++i) {
    for (std::size_t j = 0; j < t.a.cols; ++j) {
      for (std::size_t k = 0; k < t.rank(); ++k) {
        sum[i * t.a.cols + j] += t.scale * t.b.at(i, k) * t.a.at(k, j);
      }
    }
  }
  return sum;
}

ScopeModel scope_model() {
  ScopeModel model{.sizes = {4}, .quantiles = Matrix(1, 2)};
  model.quantiles.data = {0.5f, 1.5f};
  return model;
}

/// A modulated pool of two adapters and, if asked for, a shared one.
class EditedPool : public ::testing::Test {
 protected:
  [[nodiscard]] fs::path folder(const std::string& name = "tiny") const {
    return scratch_.path() / name;
  }
  Pool make(bool modulated = true, bool with_shared = false, const std::string& name = "tiny") {
    PoolManifest manifest;
    manifest.name = name;
    manifest.base = small_base();
    manifest.first_layer = 1;
    if (with_shared) manifest.shared.resize(1);
    Gate gate = small_gate();
    gate.modulated = modulated;
    if (!modulated) gate.max_tilt = 1;
    std::vector<Adapter> adapters{small_adapter(1, 2), small_adapter(2, 3)};
    if (with_shared) adapters.push_back(small_adapter(3, 1));
    write_pool(folder(name), manifest, gate, adapters, true);
    return Pool::open(folder(name));
  }
  static AddedAdapter added(const std::string& name = "mine") {
    return {.name = name,
            .trained_on = {"letters"},
            .licence = "CC0-1.0",
            .adapter = small_adapter(9, 2),
            .key = unit_rows(random_matrix(1, 4, 40)).data,
            .reference = unit_rows(random_matrix(3, 4, 41))};
  }
  Pool edited(const PoolEdit& edit, const std::string& name = "tiny") {
    write_edit(folder(name), edit);
    return Pool::open(folder(name));
  }

  test::ScratchFolder scratch_;
};

TEST_F(EditedPool, AnAddedAdapterComesLastWithItsKeyAndItsPapers) {
  const Pool pool = edited(add_adapter(make(), added()));
  ASSERT_EQ(pool.size(), 3u);
  const PoolAdapterEntry& entry = pool.manifest().adapters[2];
  EXPECT_EQ(entry.name, "mine");
  EXPECT_EQ(entry.file, "adapters/mine.gguf");
  EXPECT_EQ(entry.licence, "CC0-1.0");
  EXPECT_THAT(entry.trained_on, ElementsAre("letters"));
  EXPECT_EQ(entry.rank, 2);
  EXPECT_THAT(std::vector<float>(pool.gate().keys.row(2).begin(), pool.gate().keys.row(2).end()),
              Pointwise(FloatNear(0), added().key));
  EXPECT_EQ(pool.gate().reference.rows, 8u);
  EXPECT_THAT(pool.gate().even, ElementsAre(0.5f, 0.5f, 0.0f));
  for (const PoolCheck& check : verify_pool(folder())) EXPECT_TRUE(check.ok) << check.detail;
}

/// The promise of edit_pool.h: where the gate does not turn to it, nothing has changed.
TEST_F(EditedPool, BlendsOfTasksThatDoNotTurnToTheNewAdapterStayAsTheyWere) {
  Pool before = make();
  const std::vector<float> old_key(before.gate().keys.row(0).begin(),
                                   before.gate().keys.row(0).end());
  AddedAdapter far = added();
  for (std::size_t j = 0; j < 4; ++j) far.key[j] = -old_key[j];
  far.reference = {};
  Matrix z(3, 4);
  for (std::size_t k = 0; k < 3; ++k) std::ranges::copy(old_key, z.row(k).begin());
  const auto w_before = task_weights(before.gate(), z).weights;
  const auto want = dense(before, w_before, 0);

  Pool after = edited(add_adapter(before, far));

  const auto w_after = task_weights(after.gate(), z).weights;
  EXPECT_NEAR(w_after[2], 0, 1e-6);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(w_after[i], w_before[i], 1e-6);
  EXPECT_THAT(dense(after, w_after, 0), Pointwise(FloatNear(1e-4f), want));
}

TEST_F(EditedPool, AWhollyFamiliarTaskOfItsOwnGetsItAtFullStrength) {
  for (const bool modulated : {true, false}) {
    Pool pool = edited(add_adapter(make(modulated), added()));
    const float most = modulated ? pool.gate().max_tilt : 1.0f;
    const auto want = dense(small_adapter(9, 2).tensors[1]);
    EXPECT_THAT(dense(pool, {0, 0, most}, 1), Pointwise(FloatNear(0.05f), want)) << modulated;
    AddedAdapter twice = added("twice");
    twice.strength = 2;
    Pool stronger = edited(add_adapter(pool, twice));
    auto doubled = want;
    for (float& x : doubled) x *= 2;
    EXPECT_THAT(dense(stronger, {0, 0, 0, most}, 1), Pointwise(FloatNear(0.1f), doubled));
  }
}

TEST_F(EditedPool, AddingAndRemovingGivesTheSamePoolAgain) {
  for (const bool modulated : {true, false}) {
    const Pool before = make(modulated);
    const std::string id = before.manifest().id;
    const Pool with = edited(add_adapter(before, added()));
    EXPECT_NE(with.manifest().id, id);
    const Pool more = edited(add_adapter(with, added("other")));
    const Pool less = edited(remove_adapter(more, "mine"));
    EXPECT_EQ(less.gate().reference.rows, 8u);
    EXPECT_EQ(edited(remove_adapter(less, "2")).manifest().id, id);
    EXPECT_FALSE(fs::exists(folder() / "adapters/mine.gguf"));
  }
}

TEST_F(EditedPool, WhatIsLeftKeepsItsSharesWhereATrainedAdapterGoes) {
  Pool before = make();
  const auto want = dense(before, {0.5f, 0.0f}, 0);
  Pool after = edited(remove_adapter(before, "a1"));
  EXPECT_EQ(after.size(), 1u);
  EXPECT_THAT(after.gate().even, ElementsAre(0.5f));
  Gate unfamiliar = after.gate();
  unfamiliar.max_tilt = 0;
  const auto w = task_weights(unfamiliar, unit_rows(random_matrix(2, 4, 3))).weights;
  EXPECT_THAT(dense(after, w, 0), Pointwise(FloatNear(1e-5f), want));
}

TEST_F(EditedPool, TheSharedAdapterIsTakenOutOfOneThatWasTrainedWithoutIt) {
  Pool pool = edited(add_adapter(make(false, true), added()));
  const auto want = dense(small_adapter(9, 2).tensors[1]);
  EXPECT_THAT(dense(pool, {0, 0, 1}, 1), Pointwise(FloatNear(0.05f), want))
      << "with the shared one";
  EXPECT_EQ(pool.manifest().adapters[2].rank, 3) << "2 and the shared one's 1";
  AddedAdapter above = added("above");
  above.on_shared = true;
  Pool both = edited(add_adapter(pool, above));
  const auto shared = dense(both, {0, 0, 0, 0}, 1);
  auto sum = want;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += shared[i];
  EXPECT_THAT(dense(both, {0, 0, 0, 1}, 1), Pointwise(FloatNear(0.05f), sum));
  expect_error([&] { (void)remove_adapter(both, "shared"); }, ErrorCode::InvalidArgument,
               "is the shared adapter");
}

TEST_F(EditedPool, AnAdapterOfLowerLayersLowersThePoolsFirstOne) {
  AddedAdapter low = added();
  low.adapter.tensors.insert(
      low.adapter.tensors.begin(),
      {"blk.0.attn_q.weight", random_matrix(2, 8, 5), random_matrix(8, 2, 6), 1.0f});
  const Pool before = make();
  const Pool both = edited(add_adapter(before, low));
  EXPECT_EQ(both.manifest().first_layer, 0);
  const Pool after = edited(remove_adapter(both, "mine"));
  EXPECT_EQ(after.manifest().first_layer, 1) << "as before";
  EXPECT_EQ(after.manifest().id, before.manifest().id);
}

TEST_F(EditedPool, WhatDoesNotFitIsRefusedAndNothingIsWritten) {
  const Pool pool = make();
  const auto refuses = [&](const std::function<void(AddedAdapter&)>& change, ErrorCode code,
                           const std::string& part) {
    AddedAdapter bad = added();
    change(bad);
    expect_error([&] { (void)add_adapter(pool, bad); }, code, part);
  };
  refuses([](AddedAdapter& a) { a.name = "a1"; }, ErrorCode::InvalidArgument, "'a1' already");
  refuses([](AddedAdapter& a) { a.name = "../a"; }, ErrorCode::InvalidArgument, "adapter name");
  refuses([](AddedAdapter& a) { a.key.pop_back(); }, ErrorCode::InvalidArgument, "has 3 numbers");
  refuses([](AddedAdapter& a) { a.key[0] += 1; }, ErrorCode::InvalidArgument, "norm");
  refuses([](AddedAdapter& a) { a.strength = 0; }, ErrorCode::InvalidArgument, "strength 0");
  refuses([](AddedAdapter& a) { a.adapter.tensors.clear(); }, ErrorCode::InvalidArgument,
          "changes nothing");
  refuses([](AddedAdapter& a) { a.adapter.tensors[0].a.data[0] = NAN; }, ErrorCode::InvalidArgument,
          "finite");
  refuses([](AddedAdapter& a) { a.adapter.tensors[0].a = random_matrix(2, 9, 1); },
          ErrorCode::Incompatible, "blk.1.attn_q.weight");
  EXPECT_EQ(Pool::open(folder()).size(), 2u);
  expect_error([&] { (void)remove_adapter(pool, "a2"); }, ErrorCode::NotFound, "did you mean a");
  expect_error([&] { (void)remove_adapter(pool, "2"); }, ErrorCode::NotFound, "index below 2");
}

TEST_F(EditedPool, UntilTheManifestIsReplacedTheOldPoolOpens) {
  const std::string id = make().manifest().id;
  PoolEdit edit = add_adapter(Pool::open(folder()), added());
  std::vector<PoolFile> all_but_manifest(edit.files.begin(), edit.files.end() - 1);
  put_files(folder(), all_but_manifest, files_of(Pool::open(folder()).manifest()));
  EXPECT_EQ(Pool::open(folder()).manifest().id, id) << "as after a kill";
  const PoolEdit again = add_adapter(Pool::open(folder()), added());
  EXPECT_EQ(edited(again).size(), 3u);
}

TEST_F(EditedPool, APoolThatChangedMeanwhileIsLeftAlone) {
  const Pool pool = make();
  const PoolEdit first = add_adapter(pool, added());
  const PoolEdit second = add_adapter(pool, added("late"));
  write_edit(folder(), first);
  expect_error([&] { write_edit(folder(), second); }, ErrorCode::Unavailable, "changed meanwhile");
  EXPECT_EQ(Pool::open(folder()).manifest().adapters[2].name, "mine");

  const Pool now = Pool::open(folder());
  const PoolEdit third = add_adapter(now, added("late"));
  write_edit(folder(), with_scope_model(now, scope_model()));
  expect_error([&] { write_edit(folder(), third); }, ErrorCode::Unavailable, "changed meanwhile");
  EXPECT_EQ(Pool::open(folder()).manifest().id, now.manifest().id) << "the id alone tells nothing";
}

TEST_F(EditedPool, APoolThatAnotherProgramIsChangingIsLeftAlone) {
  const Pool pool = make();
  const PoolEdit edit = add_adapter(pool, added());
  const int other = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  expect_error([&] { write_edit(folder(), edit); }, ErrorCode::Unavailable,
               "being changed by another program");
  const std::vector<Adapter> adapters = pool.adapters();
  expect_error([&] { write_pool(folder(), pool.manifest(), pool.gate(), adapters, true); },
               ErrorCode::Unavailable, "being changed by another program");
  EXPECT_EQ(Pool::open(folder()).manifest().id, pool.manifest().id);
  ::close(other);
  EXPECT_NO_THROW(write_edit(folder(), edit));
}

TEST_F(EditedPool, AnEmptyPoolOpensGivesNoBlendAndTakesAdapters) {
  PoolManifest manifest;
  manifest.name = "fresh";
  manifest.base = small_base();
  manifest.first_layer = 2;
  Gate gate = small_gate();
  gate.keys = Matrix(0, 4);
  gate.modulated = false;
  gate.max_tilt = 1;
  Pool pool = edited(empty_pool(manifest, gate), "fresh");
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_TRUE(pool.adapters().empty());
  expect_error([&] { (void)pool.blend(std::vector<float>{}); }, ErrorCode::InvalidArgument,
               "has no adapter yet; add one with `crayon pool add`");
  for (const PoolCheck& check : verify_pool(folder("fresh"))) EXPECT_TRUE(check.ok) << check.what;
  expect_error([&] { write_edit(folder("fresh"), empty_pool(manifest, gate)); },
               ErrorCode::InvalidArgument, "holds a pool already");
  Pool one = edited(add_adapter(pool, added()), "fresh");
  EXPECT_THAT(task_weights(one.gate(), unit_rows(random_matrix(4, 4, 5))).weights, ElementsAre(1));
  EXPECT_THAT(dense(one, {1}, 1),
              Pointwise(FloatNear(0.02f), dense(small_adapter(9, 2).tensors[1])));
}

TEST_F(EditedPool, TwoPoolsOfOneSpaceMergeWithTheirKeysAsTheyAre) {
  const Pool first = edited(with_scope_model(make(true, false, "one"), scope_model()), "one");
  const Pool second = edited(add_adapter(make(true, false, "two"), added()), "two");
  Pool both = edited(merge_pools(first, second, {.name = "both"}), "both");
  ASSERT_EQ(both.size(), 5u);
  EXPECT_EQ(both.manifest().scope.quantiles.data, scope_model().quantiles.data);
  std::vector<std::string> names;
  for (const auto& entry : both.manifest().adapters) names.push_back(entry.name);
  EXPECT_THAT(names, ElementsAre("a0", "a1", "two-a0", "two-a1", "mine"));
  EXPECT_THAT(both.gate().even,
              Pointwise(FloatNear(1e-6f), std::vector<float>{0.2f, 0.2f, 0.3f, 0.3f, 0}));
  EXPECT_EQ(both.gate().reference.rows, 5u + 8u);
  EXPECT_EQ(both.manifest().adapters[4].reference_rows, 3);
  EXPECT_TRUE(both.manifest().calibration.approximate);
  EXPECT_THAT(both.manifest().training_json, HasSubstr("merged_from"));
  for (const PoolCheck& check : verify_pool(folder("both"))) EXPECT_TRUE(check.ok) << check.detail;
  Pool two = Pool::open(folder("two"));
  EXPECT_THAT(dense(both, {0, 0, 0.5f, 0, 0.25f}, 1),
              Pointwise(FloatNear(1e-5f), dense(two, {0.5f, 0, 0.25f}, 1)));
}

TEST_F(EditedPool, AShrunkPoolIsTheBestOneOfItsRanks) {
  Pool pool = make(true, true);  // ranks 2 and 3, shared 1
  Pool small = edited(shrink_pool(pool, {.name = "small", .rank = 2}).edit, "small");
  ASSERT_EQ(small.size(), 2u);
  EXPECT_EQ(small.manifest().adapters[1].rank, 2);
  EXPECT_EQ(small.manifest().adapters[0].sha256, pool.manifest().adapters[0].sha256);
  EXPECT_EQ(small.manifest().shared[0].sha256, pool.manifest().shared[0].sha256);
  EXPECT_EQ(small.gate().keys.data, pool.gate().keys.data);
  EXPECT_TRUE(small.manifest().calibration.approximate);
  const Blend best = blend(std::vector<BlendPart>{{pool.adapters()[1], 1.0f}},
                           {.mode = BlendMode::LowRank, .rank = 2});
  const Adapter& kept = small.adapters()[1];
  for (std::size_t t = 0; t < kept.tensors.size(); ++t) {
    EXPECT_THAT(dense(kept.tensors[t]),
                Pointwise(FloatNear(1e-2f), dense(best.adapter.tensors[t])));  // f16
  }
  EXPECT_GT(best.relative_error, 0.1);
  EXPECT_THAT(small.manifest().training_json, HasSubstr("shrunk_from"));
  for (const PoolCheck& check : verify_pool(folder("small"))) EXPECT_TRUE(check.ok) << check.detail;
  expect_error([&] { (void)shrink_pool(pool, {.name = "none", .rank = 0}); },
               ErrorCode::InvalidArgument, {"rank is 0"});
}

TEST_F(EditedPool, PoolsWhoseGatesDifferNeedAGateFittedAnew) {
  const Pool first = make(true, false, "one");
  (void)make(true, false, "two");
  Gate other = Pool::open(folder("two")).gate();
  other.whitening.mean[0] += 1;
  PoolManifest manifest = Pool::open(folder("two")).manifest();
  write_pool(folder("two"), manifest, other, Pool::open(folder("two")).adapters(), true);
  const Pool second = Pool::open(folder("two"));
  expect_error([&] { (void)merge_pools(first, second, {.name = "both"}); }, ErrorCode::Incompatible,
               "whitenings (4 and 4 numbers) were fitted on other prompts");
  Gate refitted = first.gate();
  refitted.keys = unit_rows(random_matrix(4, 4, 60));
  const Pool both =
      edited(merge_pools(first, second, {.name = "both", .refitted = refitted}), "both");
  EXPECT_EQ(both.gate().keys.data, refitted.keys.data);
  EXPECT_TRUE(both.gate().even.empty()) << "1/4 each";
  const Pool scoped = edited(with_scope_model(first, scope_model()), "one");
  EXPECT_FALSE(scoped.manifest().scope.empty());
  EXPECT_TRUE(
      merge_pools(scoped, second, {.name = "both", .refitted = refitted}).manifest.scope.empty())
      << "it speaks of the old space";
  refitted.keys = unit_rows(random_matrix(3, 4, 60));
  expect_error([&] { (void)merge_pools(first, second, {.name = "both", .refitted = refitted}); },
               ErrorCode::InvalidArgument, "3 keys for 4 adapters");
}

TEST_F(EditedPool, PoolsThatNoGateCanJoinAreRefused) {
  const Pool first = make(true, false, "one");
  expect_error([&] { check_merge(first, make(false, false, "two")); }, ErrorCode::Incompatible,
               "modulated with max_tilt 0.3 and plain with max_tilt 1");
  expect_error([&] { check_merge(first, make(true, true, "two")); }, ErrorCode::Incompatible,
               "shared adapters differ");
  const Pool with_shared = make(true, true, "three");
  EXPECT_NO_THROW(check_merge(with_shared, make(true, true, "two")));
  const Pool joined =
      edited(merge_pools(with_shared, Pool::open(folder("two")), {.name = "j"}), "j");
  EXPECT_EQ(joined.manifest().shared.size(), 1u);
  EXPECT_EQ(joined.size(), 4u);
  Gate weaker = with_shared.gate();
  weaker.shared_least = 0.6f;
  std::vector<Adapter> all = with_shared.adapters();
  all.push_back(*with_shared.shared());
  write_pool(folder("two"), with_shared.manifest(), weaker, all, true);
  expect_error([&] { check_merge(with_shared, Pool::open(folder("two"))); },
               ErrorCode::Incompatible, "shared_least 0.6");
  PoolManifest manifest = first.manifest();
  manifest.prompt.choice_prefix = "";
  write_pool(folder("two"), manifest, first.gate(), first.adapters(), true);
  expect_error([&] { check_merge(first, Pool::open(folder("two"))); }, ErrorCode::Incompatible,
               "prompt formats differ");
}

}  // namespace
}  // namespace crayon
