{
  "targets": [
    {
      "target_name": "tenon_cmake",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake_build",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/tenon.node"],
          "action": ["node", "<(module_root_dir)/scripts/build-native.mjs"],
          "message": "Building tenon with CMake"
        }
      ]
    }
  ]
}
