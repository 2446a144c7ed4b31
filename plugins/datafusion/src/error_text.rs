// SPDX-License-Identifier: Apache-2.0
//! A status and a message of at most so many bytes, as both headers have them.

#[repr(C)]
pub struct ErrorText<const SIZE: usize> {
    pub status: i32,
    pub message: [u8; SIZE],
}

impl<const SIZE: usize> ErrorText<SIZE> {
    pub fn new() -> ErrorText<SIZE> {
        ErrorText { status: 0, message: [0; SIZE] }
    }

    /// Cut at a whole character where it is too long.
    pub fn set(&mut self, status: i32, text: &str) {
        let mut length = text.len().min(SIZE - 1);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        self.status = status;
        self.message[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.message[length] = 0;
    }

    pub fn text(&self) -> String {
        let end = self.message.iter().position(|&byte| byte == 0).unwrap_or(0);
        String::from_utf8_lossy(&self.message[..end]).into_owned()
    }
}
