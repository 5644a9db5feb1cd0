// The program in its world of tiny files, shared by all tests of one file.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "crayon/cli/internal/program_world_test.h"

namespace crayon {

inline const std::string kCustomize =
    "customize --model model.gguf --pool pool --examples examples.jsonl";

class Program : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new ProgramWorld; }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  static ProgramRun run(const std::string& args, const std::string& input = {},
                        const std::string& settings = {}) {
    return world_->run(args, input, settings);
  }
  static nlohmann::json json(const std::string& args, const std::string& input = {},
                             const std::string& settings = {}) {
    const ProgramRun done = run(args + " --json", input, settings);
    EXPECT_EQ(done.status, 0) << args << "\n" << done.notes;
    return nlohmann::json::parse(done.out);
  }
  static inline ProgramWorld* world_ = nullptr;
};

}  // namespace crayon
