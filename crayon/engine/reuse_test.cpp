// What the engine keeps of one prompt for the next gives the scores of a prompt that is read anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/engine/engine.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

const std::string kShots =
    "Question: What is wet?\nAnswer: water\n\nQuestion: What is hot?\nAnswer: fire\n\n";

class Reuse : public ::testing::Test {
 protected:
  Reuse() {
    write_random_model(folder_.path() / "tiny.gguf", shape_);
    model_ = open_model(folder_.path() / "tiny.gguf", {.with_hash = false});
  }
  std::unique_ptr<Engine> engine(int reuse_from) const {
    return model_->open_engine(
        {.threads = 1, .context_tokens = 256, .exact = true, .reuse_from = reuse_from});
  }
  static std::vector<float> sums(Engine& engine, const std::string& text) {
    const RenderedPrompt prompt{.text = text, .choices = {" ice", " the warm sun", " x"}};
    std::vector<float> found;
    for (const ScoredChoice& c : engine.score({prompt}, {}).choices) {
      found.push_back(c.sum_log_prob);
    }
    return found;
  }

  TemporaryFolder folder_;
  RandomModelOptions shape_;
  std::shared_ptr<Model> model_;
};

TEST_F(Reuse, ASharedBeginningChangesNoScore) {
  const auto fresh = engine(0);
  const auto keeps = engine(8);
  for (const char* question : {"What is cold?", "What is bright and far?", "What is cold?", ""}) {
    const std::string text = kShots + question;
    EXPECT_THAT(sums(*keeps, text), Pointwise(FloatNear(1e-3f), sums(*fresh, text))) << question;
  }
  EXPECT_THAT(sums(*keeps, "Another"), Pointwise(FloatNear(1e-3f), sums(*fresh, "Another")));
}

TEST_F(Reuse, NothingIsKeptOverAnotherAdapterAnEmbeddingOrAnAnswer) {
  const auto fresh = engine(0);
  const auto keeps = engine(8);
  const Adapter adapter = random_model_adapter(shape_, 0, 2, 5);
  const BlendPart part{adapter, 1.0f};
  const std::vector<RenderedPrompt> other = {{.text = kShots, .choices = {}}};
  const std::string text = kShots + "What is cold?";
  const auto base = sums(*fresh, text);

  EXPECT_THAT(sums(*keeps, text), Pointwise(FloatNear(1e-3f), base));
  (void)keeps->embed(other, {1, Pooling::Mean});
  EXPECT_THAT(sums(*keeps, text), Pointwise(FloatNear(1e-3f), base));
  (void)keeps->generate("Question:", {.max_tokens = 3});
  EXPECT_THAT(sums(*keeps, text), Pointwise(FloatNear(1e-3f), base));
  keeps->set_adapters({&part, 1});
  fresh->set_adapters({&part, 1});
  const auto adapted = sums(*fresh, text);
  EXPECT_GT(std::abs(adapted[0] - base[0]), 0.01);
  EXPECT_THAT(sums(*keeps, text), Pointwise(FloatNear(1e-3f), adapted));
  keeps->set_adapters({});
  EXPECT_THAT(sums(*keeps, text), Pointwise(FloatNear(1e-3f), base));
}

}  // namespace
}  // namespace crayon
