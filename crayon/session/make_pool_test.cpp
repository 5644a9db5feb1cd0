#include "crayon/session/make_pool.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/session/internal/test_world.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::HasSubstr;

void expect_error(const std::function<void()>& call, ErrorCode code, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(info(error.code()).name, info(code).name) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

/// Prompts of one kind share a word, so the fake engine puts them near each other.
std::vector<Example> about(const std::string& word, std::size_t n) {
  std::vector<Example> examples(n);
  for (std::size_t k = 0; k < n; ++k) {
    examples[k].kind = ExampleKind::Completion;
    examples[k].prompt = fmt::format("{0} {0} {0} {0} of thing{1}", word, k);
  }
  return examples;
}

std::vector<Example> mixture(std::size_t n) {
  std::vector<Example> all;
  for (const char* word : {"refund", "weather", "music"}) {
    for (Example& example : about(word, n)) all.push_back(std::move(example));
  }
  return all;
}

class MakePool : public ::testing::Test {
 protected:
  void TearDown() override { set_interrupted(false); }

  [[nodiscard]] NewPoolOptions options(const std::string& name) const {
    NewPoolOptions made{.name = name};
    made.embedding = {2, Pooling::Last};
    made.first_layer = 2;
    made.dims = 6;
    made.reference = 20;
    return made;
  }
  [[nodiscard]] std::filesystem::path folder(const std::string& name) const {
    return folder_.path() / name;
  }
  Pool make(const NewPoolOptions& made) {
    write_edit(folder(made.name), make_empty_pool(*model_, *engine_, mixture(10), made));
    return Pool::open(folder(made.name));
  }
  Pool with(const Pool& pool, const std::string& name, const std::string& word) {
    AddedAdapter added{.name = name, .trained_on = {word}, .licence = "CC0-1.0"};
    added.adapter = random_adapter(
        {.d_out = kWidth, .d_in = kWidth, .base_id = "", .tensors = {"blk.2.attn_q.weight"}});
    const KeyFit fit = fit_key(pool, *model_, *engine_, about(word, 8));
    added.key = fit.key;
    added.reference = fit.z;
    write_edit(pool.folder(), add_adapter(pool, added));
    return Pool::open(pool.folder());
  }
  [[nodiscard]] std::vector<float> weights(const Pool& pool, const std::string& word) {
    std::vector<RenderedPrompt> prompts =
        render_all(*model_, pool.manifest().prompt, about(word, 20));
    const Matrix h = engine_->embed(prompts, pool.gate().embedding);
    return task_weights(pool.gate(), whiten(pool.gate().whitening, h)).weights;
  }

  TemporaryFolder folder_;
  std::shared_ptr<Model> model_ = make_fake_model({.d_model = kWidth});
  std::unique_ptr<Engine> engine_ = model_->open_engine();
};

TEST_F(MakePool, AnEmptyPoolHasAPlainGateFittedOnItsPrompts) {
  NewPoolOptions made = options("fresh");
  made.prompt.choice_prefix = "";
  std::size_t steps = 0;
  write_edit(folder("fresh"), make_empty_pool(*model_, *engine_, mixture(10), made,
                                              [&](const StepProgress& p) { steps = p.total; }));
  const Pool pool = Pool::open(folder("fresh"));
  EXPECT_EQ(steps, 30u);
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_FALSE(pool.gate().modulated);
  EXPECT_EQ(pool.gate().whitening.projection.rows, 6u);
  EXPECT_EQ(pool.gate().reference.rows, 20u);
  EXPECT_EQ(pool.manifest().base.id(), model_->base().id());
  EXPECT_EQ(pool.manifest().prompt.choice_prefix, "");
}

TEST_F(MakePool, WhatTheBaseOrThePromptsCannotGiveIsRefused) {
  const auto refuses = [&](const std::function<void(NewPoolOptions&)>& change,
                           const std::string& part) {
    NewPoolOptions made = options("bad");
    change(made);
    expect_error([&] { (void)make_empty_pool(*model_, *engine_, mixture(4), made); },
                 ErrorCode::InvalidArgument, part);
  };
  refuses([](NewPoolOptions& o) { o.dims = 12; }, "12 prompts for a whitening of 12 directions");
  refuses([](NewPoolOptions& o) { o.dims = 17; }, "dims 17; expected 1 to 16");
  refuses([](NewPoolOptions& o) { o.embedding.layer = 4; }, "embedding layer 4; expected 0 to 3");
  refuses([](NewPoolOptions& o) { o.first_layer = 9; }, "first adapted layer 9");
  refuses([](NewPoolOptions& o) { o.prompt.without_context = "?"; }, "{question}");
}

TEST_F(MakePool, KeysFromExamplesSendEachKindOfTaskToItsAdapter) {
  Pool pool = make(options("keys"));
  pool = with(pool, "refunds", "refund");
  pool = with(pool, "weather", "weather");
  pool = with(pool, "music", "music");
  EXPECT_GT(weights(pool, "refund")[0], 0.8f);
  EXPECT_GT(weights(pool, "weather")[1], 0.8f);
  EXPECT_GT(weights(pool, "music")[2], 0.8f);
}

TEST_F(MakePool, AKeySaysHowItStandsAmongTheOthers) {
  Pool pool = make(options("stand"));
  EXPECT_EQ(fit_key(pool, *model_, *engine_, about("refund", 8)).nearest, "");
  EXPECT_EQ(fit_key(pool, *model_, *engine_, about("refund", 8)).own_weight, 1.0);
  pool = with(pool, "refunds", "refund");
  const KeyFit same = fit_key(pool, *model_, *engine_, about("refund", 8));
  EXPECT_EQ(same.nearest, "refunds");
  EXPECT_NEAR(same.cosine, 1, 1e-5);
  EXPECT_NEAR(same.own_weight, 0.5, 1e-4) << "two equal keys";
  const KeyFit other = fit_key(pool, *model_, *engine_, about("music", 8));
  EXPECT_GT(other.own_weight, 0.9);
  EXPECT_EQ(other.z.rows, 8u);
  expect_error([&] { (void)fit_key(pool, *model_, *engine_, {}); }, ErrorCode::InvalidArgument,
               "0 examples");
}

TEST_F(MakePool, AnotherBaseIsRefused) {
  const Pool pool = make(options("base"));
  const auto other = make_fake_model({.d_model = kWidth, .n_layers = 5});
  const auto engine = other->open_engine();
  expect_error([&] { (void)fit_key(pool, *other, *engine, about("music", 8)); },
               ErrorCode::Incompatible, "pool '");
}

TEST_F(MakePool, CtrlCEndsItBetweenTwoPrompts) {
  set_interrupted(true);
  EXPECT_THROW((void)make_empty_pool(*model_, *engine_, mixture(10), options("stopped")),
               Interrupted);
  EXPECT_FALSE(std::filesystem::exists(folder("stopped")));
}

/// One pool reads layer 2, the other layer 1 with other prompts: nothing of their spaces is common.
TEST_F(MakePool, AGateFittedAnewSendsTasksWhereBothGatesSentThem) {
  const Pool first = with(with(make(options("one")), "refunds", "refund"), "rest", "music");
  NewPoolOptions second_options = options("two");
  second_options.embedding = {1, Pooling::Mean};
  second_options.dims = 5;
  const Pool second = with(make(second_options), "weather", "weather");
  EXPECT_THAT(key_difference(first.gate(), second.gate()), HasSubstr("layer 2, last and layer 1"));

  const Gate refitted = refit_gate(first, second, *model_, *engine_, mixture(12));
  write_edit(folder("both"), merge_pools(first, second, {.name = "both", .refitted = refitted}));

  const Pool both = Pool::open(folder("both"));
  ASSERT_EQ(both.size(), 3u);
  EXPECT_EQ(both.gate().embedding, first.gate().embedding);
  EXPECT_GT(weights(both, "refund")[0], 0.7f);
  EXPECT_GT(weights(both, "music")[1], 0.7f);
  EXPECT_GT(weights(both, "weather")[2], 0.7f);
  expect_error([&] { (void)refit_gate(first, second, *model_, *engine_, mixture(2)); },
               ErrorCode::InvalidArgument, "6 prompts for a whitening of 6");
}

}  // namespace
}  // namespace crayon
