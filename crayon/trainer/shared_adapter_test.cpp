// Pools with a shared adapter: it is trained alone first, then stands still below the gated ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <sstream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/engine/engine.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/formats/examples.h"
#include "crayon/pool/pool.h"
#include "crayon/testing/random.h"
#include "crayon/testing/training.h"
#include "crayon/trainer/internal/checkpoint.h"
#include "crayon/trainer/internal/learner.h"
#include "crayon/trainer/internal/validate.h"
#include "crayon/trainer/train.h"

namespace crayon {
namespace {

using Tensors = std::map<std::string, FloatTensor>;

class SharedAdapter : public ::testing::Test {
 protected:
  SharedAdapter() { write_training_files(folder_.path()); }

  /// 12 steps, of which the first 6 train the shared adapter.
  [[nodiscard]] TrainConfig config() const {
    TrainConfig config = load_train_config(folder_.path() / "train.toml");
    config.pool.shared_rank = 3;
    config.train.shared_share = 0.5;
    config.gate.shared_least = 0.6;
    return config;
  }
  TrainReport run(const TrainRunOptions& options = {}) {
    return train_pool(config(), options, notes_);
  }
  [[nodiscard]] Tensors trained() const {
    Tensors tensors = CheckpointFolder(config().train.checkpoints).load_newest().tensors;
    std::erase_if(tensors, [](const auto& one) { return one.first.starts_with("adam."); });
    return tensors;
  }

  TemporaryFolder folder_;
  std::ostringstream notes_;
};

/// Of the tensors whose names begin with `prefix`: has every one changed?
bool all_changed(const Tensors& before, const Tensors& after, const std::string& prefix) {
  std::size_t same = 0, all = 0;
  for (const auto& [name, tensor] : before) {
    if (!name.starts_with(prefix)) continue;
    ++all;
    same += after.at(name).data == tensor.data ? 1 : 0;
  }
  EXPECT_GT(all, 0u) << prefix;
  EXPECT_TRUE(same == 0 || same == all) << same << " of " << all;
  return same == 0;
}

TEST_F(SharedAdapter, IsTrainedAloneAndThenStandsStill) {
  (void)run({.stop_after = 3});
  const Tensors early = trained();
  (void)run({.resume = true, .stop_after = 3});
  const Tensors middle = trained();
  (void)run({.resume = true});
  const Tensors late = trained();
  EXPECT_TRUE(all_changed(early, middle, "shared.blk."));
  EXPECT_FALSE(all_changed(early, middle, "blk."));
  EXPECT_FALSE(all_changed(early, middle, "gate.keys"));
  EXPECT_FALSE(all_changed(middle, late, "shared.blk."));
  EXPECT_TRUE(all_changed(middle, late, "blk."));
  EXPECT_TRUE(all_changed(middle, late, "gate.keys"));
}

TEST_F(SharedAdapter, AResumedRunHasTheLossesOfAnUninterruptedOne) {
  const TrainReport whole = run();
  std::vector<double> losses;
  TrainRunOptions options{.restart = true, .stop_after = 5};
  for (int part = 0; part < 3; ++part) {
    const TrainReport report = run(options);
    losses.insert(losses.end(), report.losses.begin(), report.losses.end());
    options = {.resume = true, .stop_after = 5};
  }
  ASSERT_EQ(losses.size(), whole.losses.size());
  for (std::size_t i = 0; i < losses.size(); ++i) EXPECT_NEAR(losses[i], whole.losses[i], 1e-5);
}

TEST_F(SharedAdapter, AnUnfamiliarTaskGetsItAlone) {
  const TrainReport report = run();
  ASSERT_TRUE(report.finished);
  const Pool pool = Pool::open(folder_.path() / "pool");
  ASSERT_NE(pool.shared(), nullptr);
  EXPECT_EQ(max_rank(*pool.shared()), 3u);
  EXPECT_EQ(pool.size(), 3u);
  EXPECT_THAT(pool.gate().even, ::testing::Each(0.0f));
  EXPECT_EQ(pool.gate().shared_least, 0.6f);
  Matrix far(1, pool.gate().keys.cols);  // z = 0: as far from all as can be
  for (const float w : task_weights(pool.gate(), far).weights) EXPECT_LT(w, 0.1f);
}

TEST_F(SharedAdapter, OneThatIsThereIsTakenAsItIs) {
  (void)run();
  const Tensors first = trained();
  std::string text = read_text(folder_.path() / "train.toml");
  text.replace(text.find("[gate]"), 0, "shared_from = \"pool/adapters/shared.gguf\"\n");
  text.replace(text.find("\"pool\""), 6, "\"second\"");
  text += "\n";
  TrainConfig second = parse_train_config(text, folder_.path() / "second.toml");
  second.train.checkpoints = folder_.path() / "second_checkpoints";
  (void)train_pool(second, {.stop_after = 5}, notes_);
  const Pool old_pool = Pool::open(folder_.path() / "pool");
  Adapter other = *old_pool.shared();
  other.tensors.front().b.data.front() += 1;
  TrainConfig elsewhere = second;
  elsewhere.pool.shared_from = folder_.path() / "other.gguf";
  AdapterFileOptions exact;
  exact.type = TensorType::F32;
  write_atomically(elsewhere.pool.shared_from, adapter_to_gguf(other, exact));
  EXPECT_THAT([&] { (void)train_pool(elsewhere, {.resume = true}, notes_); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("pool.shared_from")));
  ASSERT_TRUE(train_pool(second, {.resume = true}, notes_).finished);
  const Pool pool = Pool::open(folder_.path() / "second");
  ASSERT_NE(pool.shared(), nullptr);
  for (std::size_t i = 0; i < pool.shared()->tensors.size(); ++i) {
    EXPECT_EQ(pool.shared()->tensors[i].b.data, old_pool.shared()->tensors[i].b.data) << i;
  }
  second.pool.first_layer = 2;
  second.train.checkpoints = folder_.path() / "third_checkpoints";
  EXPECT_THAT([&] { (void)train_pool(second, {.restart = true}, notes_); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("first_layer")));
}

TEST_F(SharedAdapter, ABatchMayBeTrainedWithoutItsNearestAdapter) {
  (void)run();
  const auto model = open_model(folder_.path() / "tiny.gguf");
  const Pool pool = Pool::open(folder_.path() / "pool");
  const TrainConfig settings = config();
  const Network network(*model);
  const Learner learner(network, settings, pool.gate().keys, pool.gate().reference);
  const torch::Tensor all = learner.weights(pool.gate().reference, 0.6);
  const torch::Tensor rest = learner.weights(pool.gate().reference, 0.6, /*drop_nearest=*/true);
  const auto nearest = all.argmax().item<std::int64_t>();
  EXPECT_EQ(rest[nearest].item<float>(), 0);
  EXPECT_NEAR(rest.sum().item<float>(), 0.6, 1e-5);
  const torch::Tensor others =
      (all / (0.6 - all[nearest]) * 0.6).index_fill(0, torch::tensor({nearest}), 0);
  EXPECT_LT((others - rest).abs().max().item<float>(), 1e-5);
  EXPECT_TRUE(rest.requires_grad());
}

TEST_F(SharedAdapter, EngineScoresWithTheWrittenPoolAsTheTrainerDid) {
  (void)run();
  const auto model = open_model(folder_.path() / "tiny.gguf");
  Pool pool = Pool::open(folder_.path() / "pool");
  const TrainConfig settings = config();
  const Network network(*model);
  Learner learner(network, settings, pool.gate().keys, pool.gate().reference);
  learner.load(CheckpointFolder(settings.train.checkpoints).load_newest().tensors);
  const LoadedItems items = load_items(settings, *model, notes_);
  TrunkCache cache(
      network,
      {.first_layer = settings.pool.first_layer, .embedding = settings.gate.embedding, .bytes = 0},
      items.count);
  const auto engine = model->open_engine({.threads = 1, .context_tokens = 256, .exact = true});
  const auto examples = read_examples(folder_.path() / "ways.jsonl");
  const auto rows = validation_items(items.sets[1], 5);
  const std::vector<std::vector<float>> blends = {{0.2f, 0.5f, 0.1f}, {0, 0, 0}};
  for (const auto& weights : blends) {
    const torch::Tensor w = torch::tensor(weights), none;
    const bool alone = weights[0] == 0;  // the same as leaving the others out
    const Adapters adapters{learner.lora(), alone ? none : w, shared_weight(pool.gate(), weights)};
    const auto want = score_items(network, cache, rows, settings.pool.first_layer, &adapters);
    const Blend blend = pool.blend(weights);
    const std::vector<BlendPart> parts = {{blend.adapter, 1.0f}};
    engine->set_adapters(parts);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ScoreRequest request;
      request.prompt = render(settings.prompt, examples[i]);
      const ScoreResult got = engine->score(request, settings.gate.embedding);
      for (std::size_t c = 0; c < 2; ++c) {
        EXPECT_NEAR(got.choices[c].mean_log_prob(), want[i][c], 1e-3) << i << " " << c;
      }
    }
  }
}

}  // namespace
}  // namespace crayon
