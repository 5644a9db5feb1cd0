#include "crayon/gate/gate.h"

#include <gmock/gmock.h>

#include <functional>
#include <limits>

#include "crayon/gate/internal/sample.h"

namespace crayon {
namespace {

using internal::cluster;
using internal::random_unit_rows;
using ::testing::Each;
using ::testing::FloatNear;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Four keys in eight dimensions; prompts of the pool's training around the first axis.
Gate sample_gate() {
  Rng rng(1);
  Gate gate;
  gate.whitening.mean.assign(12, 0.0f);
  gate.whitening.projection = Matrix(8, 12);
  gate.keys = random_unit_rows(4, 8, rng);
  gate.reference = cluster(200, gate.keys.row(0), 0.3, rng);
  return gate;
}

double sum_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += double{v};
  return sum;
}

TEST(GateWeights, AreTheSoftmaxOfTheCosinesOverTheTemperature) {
  Gate gate = sample_gate();
  gate.temperature = 0.5f;
  Rng rng(2);
  const Matrix z = random_unit_rows(1, 8, rng);

  const auto got = gate_weights(gate, z.row(0));

  std::vector<float> want;
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i)
    sum += std::exp(internal::dot(gate.keys.row(i), z.row(0)) / 0.5);
  for (std::size_t i = 0; i < 4; ++i) {
    want.push_back(
        static_cast<float>(std::exp(internal::dot(gate.keys.row(i), z.row(0)) / 0.5) / sum));
  }
  EXPECT_THAT(got, Pointwise(FloatNear(1e-6f), want));
}

TEST(GateWeights, StayFiniteAtATinyTemperature) {
  Gate gate = sample_gate();
  gate.temperature = 1e-30f;
  const auto got = gate_weights(gate, gate.keys.row(2));
  EXPECT_FLOAT_EQ(got[2], 1.0f);
  EXPECT_NEAR(sum_of(got), 1.0, 1e-6);
}

TEST(GateWeights, AreEvenForAnEmbeddingOfZeros) {
  EXPECT_THAT(gate_weights(sample_gate(), std::vector<float>(8)), Each(FloatNear(0.25f, 1e-7f)));
}

TEST(TaskWeights, TiltTheEvenBlendTowardsTheMeanGate) {
  const Gate gate = sample_gate();
  Rng rng(3);
  const Matrix z = cluster(16, gate.keys.row(0), 0.3, rng);

  const TaskWeights got = task_weights(gate, z);

  EXPECT_NEAR(got.tilt, 0.5 * got.familiarity, 1e-7);
  std::vector<float> mean(4);
  for (std::size_t k = 0; k < 16; ++k) {
    const auto g = gate_weights(gate, z.row(k));
    for (std::size_t i = 0; i < 4; ++i) mean[i] += g[i] / 16;
  }
  EXPECT_THAT(got.gate_mean, Pointwise(FloatNear(1e-6f), mean));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(got.weights[i], (1 - got.tilt) / 4 + got.tilt * double{mean[i]}, 1e-6);
  }
  EXPECT_NEAR(sum_of(got.weights), 1.0, 1e-6);
  EXPECT_THAT(got.weights, Each(Ge(0.0f)));
}

TEST(TaskWeights, ATaskLikeThePoolsIsFamiliarAndAFarOneGetsTheEvenBlend) {
  const Gate gate = sample_gate();
  Rng rng(4);
  std::vector<float> far(gate.keys.row(0).begin(), gate.keys.row(0).end());
  for (float& x : far) x = -x;

  const TaskWeights near = task_weights(gate, cluster(32, gate.keys.row(0), 0.3, rng));
  const TaskWeights other = task_weights(gate, cluster(32, far, 0.3, rng));

  EXPECT_GT(near.familiarity, 0.7);
  EXPECT_NEAR(other.familiarity, 2.0 / 201, 1e-9);  // every p-value is the least one
  EXPECT_THAT(other.weights, Each(FloatNear(0.25f, 0.005f)));
}

TEST(TaskWeights, AreTheMeanGateWithoutModulation) {
  Gate gate = sample_gate();
  gate.modulated = false;
  gate.max_tilt = 1;
  Rng rng(5);
  const TaskWeights got = task_weights(gate, random_unit_rows(8, 8, rng));
  EXPECT_EQ(got.weights, got.gate_mean);
  EXPECT_EQ(got.tilt, 1.0);
}

TEST(TaskWeights, WithoutReferencePromptsTheTiltIsTheLargest) {
  Gate gate = sample_gate();
  gate.reference = {};
  Rng rng(6);
  const TaskWeights got = task_weights(gate, random_unit_rows(8, 8, rng));
  EXPECT_EQ(got.familiarity, 1.0);
  EXPECT_EQ(got.tilt, double{gate.max_tilt});
}

TEST(Pooling, NamesGoBothWaysAndOthersAreRefused) {
  EXPECT_EQ(to_string(parse_pooling("mean")), "mean");
  EXPECT_EQ(to_string(parse_pooling("last")), "last");
  EXPECT_THROW((void)parse_pooling("max"), Error);
}

TEST(CheckGate, AcceptsAGoodGate) {
  EXPECT_NO_THROW(check_gate(sample_gate()));
  Gate gate = sample_gate();
  gate.reference = {};
  EXPECT_NO_THROW(check_gate(gate));
}

struct BrokenGate {
  std::string message;
  std::function<void(Gate&)> breaks;
};
void PrintTo(const BrokenGate& broken, std::ostream* out) { *out << broken.message; }
class BrokenGateTest : public ::testing::TestWithParam<BrokenGate> {};

TEST_P(BrokenGateTest, IsRefusedWithTheReason) {
  Gate gate = sample_gate();
  GetParam().breaks(gate);
  try {
    check_gate(gate);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(e.what(), HasSubstr(GetParam().message));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BrokenGateTest,
    ::testing::Values(
        BrokenGate{"keys [4, 7]", [](Gate& g) { g.keys = Matrix(4, 7); }},
        BrokenGate{"keys [0, 8]", [](Gate& g) { g.keys = Matrix(0, 8); }},
        BrokenGate{"key 1 has norm 0.0000",
                   [](Gate& g) { std::fill_n(g.keys.row(1).data(), 8, 0.0f); }},
        BrokenGate{"keys: a number is not finite", [](Gate& g) { g.keys.data[0] = kNaN; }},
        BrokenGate{"keys: 31 numbers", [](Gate& g) { g.keys.data.pop_back(); }},
        BrokenGate{"mean: 11 numbers; expected 12", [](Gate& g) { g.whitening.mean.pop_back(); }},
        BrokenGate{"mean: a number", [](Gate& g) { g.whitening.mean[0] = kNaN; }},
        BrokenGate{"whitening: a number", [](Gate& g) { g.whitening.projection.data[9] = kNaN; }},
        BrokenGate{"reference [3, 5]", [](Gate& g) { g.reference = Matrix(3, 5); }},
        BrokenGate{"temperature 0", [](Gate& g) { g.temperature = 0; }},
        BrokenGate{"temperature nan", [](Gate& g) { g.temperature = kNaN; }},
        BrokenGate{"max_tilt 1.5", [](Gate& g) { g.max_tilt = 1.5f; }},
        BrokenGate{"max_tilt nan", [](Gate& g) { g.max_tilt = kNaN; }},
        BrokenGate{"layer -1", [](Gate& g) { g.embedding.layer = -1; }}));

TEST(TaskWeights, RefusesNoExamplesAndEmbeddingsOfAnotherPool) {
  const Gate gate = sample_gate();
  EXPECT_THROW((void)task_weights(gate, Matrix(0, 8)), Error);
  EXPECT_THROW((void)task_weights(gate, Matrix(2, 7)), Error);
  EXPECT_THROW((void)gate_weights(gate, std::vector<float>(8, kNaN)), Error);
}

}  // namespace
}  // namespace crayon
