// A model's weights in another number type give the same model but for rounding.
#include "crayon/engine/model_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/engine/engine.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

class ModelCopy : public ::testing::Test {
 protected:
  ModelCopy() { write_random_model(model_, {}); }
  static Matrix logits(const std::filesystem::path& file) {
    const auto model = open_model(file, {.with_hash = false});
    const std::vector<int> tokens = {72, 101, 108, 108, 111};
    return model->open_engine({.threads = 1, .exact = true})->logits(tokens);
  }

  TemporaryFolder folder_;
  std::filesystem::path model_ = folder_.path() / "tiny.gguf";
  std::filesystem::path copies_ = folder_.path() / "copies";
};

TEST_F(ModelCopy, HasTheSameLogitsButForTheRoundingOfItsNumbers) {
  struct Case {
    TensorType type;
    float most, least;  // differences of logits; bf16 has to differ, or nothing was converted
  };
  const Matrix exact = logits(model_);
  for (const Case& one : {Case{TensorType::F32, 1e-5f, 0}, Case{TensorType::F16, 0.02f, 1e-6f},
                          Case{TensorType::BF16, 0.15f, 1e-4f}}) {
    const Matrix copy = logits(model_copy(model_, one.type, copies_));
    float most = 0;
    for (std::size_t i = 0; i < exact.data.size(); ++i) {
      most = std::max(most, std::abs(copy.data[i] - exact.data[i]));
    }
    EXPECT_LE(most, one.most) << to_string(one.type);
    EXPECT_GE(most, one.least) << to_string(one.type);
  }
}

TEST_F(ModelCopy, IsMadeOnceAndHasTheSameBytesEachTime) {
  const auto copy = model_copy(model_, TensorType::BF16, copies_);
  const auto bytes = read_file(copy);
  write_atomically(copy, "kept");
  EXPECT_EQ(model_copy(model_, TensorType::BF16, copies_), copy);
  EXPECT_EQ(read_text(copy), "kept");
  std::filesystem::remove(copy);
  EXPECT_EQ(read_file(model_copy(model_, TensorType::BF16, copies_)), bytes);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(copies_), {}), 1);
}

TEST_F(ModelCopy, AFolderThatCannotBeMadeIsNamed) {
  EXPECT_THAT([&] { (void)model_copy(model_, TensorType::F16, model_ / "below"); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::Unavailable),
                                  Property(&Error::what, HasSubstr("tiny.gguf/below")))));
}

}  // namespace
}  // namespace crayon
