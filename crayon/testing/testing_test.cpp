// The fake engine keeps the promises of its header, on which tests of other parts rely.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "crayon/base/error.h"
#include "crayon/formats/adapter_file.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::Gt;
using ::testing::Lt;

RenderedPrompt capital(const std::string& right) {
  return {.text = "Capital of France? *" + right + "\nAnswer:",
          .choices = {" Rome", " Paris", " Oslo"}};
}

std::vector<float> means(const ScoreResult& result) {
  std::vector<float> values;
  for (const auto& choice : result.choices) values.push_back(choice.mean_log_prob());
  return values;
}

TEST(FakeEngine, TheMarkedChoiceScoresHigh) {
  const auto engine = make_fake_model()->open_engine();
  const auto scores = means(engine->score({capital("Oslo")}, {}));
  EXPECT_THAT(scores[2], Gt(-1.0f));
  EXPECT_THAT(scores[0], Lt(-2.0f));
  EXPECT_THAT(scores[1], Lt(-2.0f));
}

TEST(FakeEngine, AnAdapterShiftsScoresButNotWhichIsRight) {
  const auto engine = make_fake_model()->open_engine();
  const auto base = means(engine->score({capital("Paris")}, {}));
  const Adapter adapter = random_adapter({});
  const BlendPart part{adapter, 0.5f};
  engine->set_adapters({&part, 1});
  const auto adapted = means(engine->score({capital("Paris")}, {}));
  EXPECT_NE(base, adapted);
  EXPECT_THAT(adapted[1], Gt(-1.0f));
  engine->set_adapters({});
  EXPECT_EQ(means(engine->score({capital("Paris")}, {})), base);
}

TEST(FakeEngine, TextsWithCommonWordsAreNear) {
  const auto engine = make_fake_model({.d_model = 64})->open_engine();
  const std::vector<RenderedPrompt> prompts = {
      {.text = "send money to my bank today", .choices = {}},
      {.text = "send money to my friend today", .choices = {}},
      {.text = "which stars can be seen", .choices = {}}};
  const Matrix h = engine->embed(prompts, {2, Pooling::Mean});
  const auto dot = [&](std::size_t i, std::size_t j) {
    return std::inner_product(h.row(i).begin(), h.row(i).end(), h.row(j).begin(), 0.0f);
  };
  EXPECT_GT(dot(0, 1), 2 * dot(0, 2));
}

TEST(FakeEngine, GeneratesWhatIsMarkedAndCanBeCancelled) {
  const auto engine = make_fake_model()->open_engine();
  EXPECT_EQ(engine->generate("Say *good morning all\nNow:", {}).text, " good morning all");
  int seen = 0;
  const auto got = engine->generate("Say *good morning all", {},
                                    [&](const GeneratedToken&) { return ++seen < 2; });
  EXPECT_EQ(got.finish, FinishReason::Cancelled);
  EXPECT_EQ(got.text, " good morning");
}

TEST(RandomModelAdapter, IsAnAdapterThatFormatsTake) {
  const Adapter adapter = random_model_adapter({}, 1, 2, 3);
  EXPECT_EQ(adapter.tensors.size(), 14u);
  EXPECT_NO_THROW(check_adapter(adapter));
  EXPECT_NE(adapter.tensors[0].a.data, random_model_adapter({}, 1, 2, 4).tensors[0].a.data);
}

TEST(TemporaryFolder, IsRemovedWithWhatIsInIt) {
  std::filesystem::path path;
  {
    const TemporaryFolder folder;
    path = folder.path();
    write_random_model(path / "tiny.gguf");
    EXPECT_TRUE(std::filesystem::exists(path / "tiny.gguf"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace crayon
